// WebdriverIO at a server's broker, with the service that talks to its REST API.
const port = Number(process.env.HUB_PORT);

export const config = {
  runner: 'local',
  protocol: 'http',
  hostname: '127.0.0.1',
  port,
  path: '/wd/hub',
  user: process.env.SAUCE_USERNAME,
  key: process.env.SAUCE_ACCESS_KEY,
  // For the service: where its REST calls go.
  host: `http://127.0.0.1:${port}`,
  specs: ['./page.spec.mjs'],
  maxInstances: 1,
  logLevel: 'warn',
  connectionRetryCount: 0,
  framework: 'mocha',
  services: [['sauce', { setJobName: (config, capabilities, suite) => suite }]],
  capabilities: [
    {
      browserName: 'chrome',
      'goog:chromeOptions': {
        args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
      },
      'sauce:options': { tunnelName: 'ci', build: 'from wdio', tags: ['wdio'] },
    },
  ],
};
