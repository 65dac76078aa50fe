// The tunnel calls of the `saucelabs` package, in the order of a script's day.
// Arguments: URL of the server, user, access key.
const assert = require('node:assert');
const SauceLabs = require('saucelabs').default;

async function main() {
  const [, , host, user, key] = process.argv;
  const api = new SauceLabs({ user, key, host, region: 'us' });

  const [id] = await api.listTunnels(user);
  assert.match(id, /^[0-9a-f]{32}$/);
  const [full] = await api.listTunnels(user, { full: true, filter: 'one_per_pool', protocol: 'kgp' });
  assert.strictEqual(full.id, id);
  assert.strictEqual(full.status, 'running');
  assert.strictEqual(full.is_ready, true);
  assert.deepStrictEqual(await api.listTunnels(user, { protocol: 'ipsec' }), []);
  const all = await api.listTunnels(user, { all: true });
  assert.deepStrictEqual(all, { [user]: [id] });

  const tunnel = await api.getTunnel(user, id);
  assert.strictEqual(tunnel.tunnel_identifier, 'from-node');
  assert.strictEqual(tunnel.owner, user);
  await assert.rejects(api.getTunnel(user, '0'.repeat(32)), /no-such-tunnel/);

  const download = await api.scDownload({ version: '5', os: 'linux', arch: 'x86_64' });
  assert.strictEqual(download.download.url, 'https://sc.test/sc.tar.gz');

  const ended = await api.deleteTunnel(user, id, { reason: 'node', waitForJobs: false });
  assert.deepStrictEqual(ended, { result: true, id, jobs_running: 0 });
  const { tunnels } = await api.listAllTunnels(user);
  assert.strictEqual(tunnels[0].id, id);
  assert.strictEqual(tunnels[0].status, 'terminated');
  assert.strictEqual(tunnels[0].shutdown_reason, 'node');
  const stranger = new SauceLabs({ user, key: 'wrong', host, region: 'us' });
  await assert.rejects(stranger.listTunnels(user), /401/);
  console.log('all tunnel calls work');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
