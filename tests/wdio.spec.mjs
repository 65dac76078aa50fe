import assert from 'node:assert';

describe('a page', () => {
  it('arrives', async () => {
    console.log(`session ${browser.sessionId}`);
    await browser.url(process.env.PAGE);
    await browser.waitUntil(async () => (await $('body').getText()).includes('arrived: 2 of 2'));
    assert.strictEqual(await browser.execute(() => 6 * 7), 42);
  });
});
