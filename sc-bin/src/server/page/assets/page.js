// What the pages do beyond being read: they follow what changes, count durations, ask before a tunnel
// ends, and copy commands. Without this they are whole all the same.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const body = document.body;
  // How far this machine's clock is behind the server's, in seconds.
  let ahead = Number(body.dataset.now) - Date.now() / 1000;

  // --- Durations, as the server writes them.

  const span = (seconds) => {
    const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
    const two = (number) => String(number).padStart(2, "0");
    if (days > 0) return `${days} d ${hours % 24} h`;
    if (hours > 0) return `${hours} h ${two(minutes % 60)} min`;
    if (minutes > 0) return `${minutes} min ${two(seconds % 60)} s`;
    return `${seconds} s`;
  };

  const tick = () => {
    const now = Math.floor(Date.now() / 1000 + ahead);
    for (const time of document.querySelectorAll("time[data-since]")) {
      const text = span(Math.max(0, now - Number(time.dataset.since)));
      if (time.textContent !== text) time.textContent = text;
    }
  };

  // --- Changes. Elements stay what they are, so that focus and open details stay where they are.

  const isOwnState = (name) => name === "open";

  const morph = (have, want) => {
    if (have.nodeType !== want.nodeType || have.nodeName !== want.nodeName) {
      have.replaceWith(want);
      return;
    }
    if (have.nodeType !== Node.ELEMENT_NODE) {
      if (have.nodeValue !== want.nodeValue) have.nodeValue = want.nodeValue;
      return;
    }
    for (const { name, value } of want.attributes) {
      if (have.getAttribute(name) !== value) have.setAttribute(name, value);
    }
    for (const { name } of [...have.attributes]) {
      if (!want.hasAttribute(name) && !isOwnState(name)) have.removeAttribute(name);
    }
    // Its text is this script's.
    if (have.dataset && have.dataset.since) return;
    const [old, young] = [[...have.childNodes], [...want.childNodes]];
    young.forEach((node, at) => (at < old.length ? morph(old[at], node) : have.append(node)));
    old.slice(young.length).forEach((node) => node.remove());
  };

  const element = (text) => {
    const template = document.createElement("template");
    template.innerHTML = text;
    return template.content.firstElementChild;
  };

  const say = (texts) => {
    if (texts.length > 0) byId("news").textContent = texts.slice(0, 5).join(" ");
  };

  const standing = (id) => {
    const { state, name } = byId(id)?.dataset ?? {};
    return state && { state, name };
  };

  const arrange = (order) => {
    const rows = byId("rows");
    const wanted = new Set(order);
    for (const row of [...rows.children]) if (!wanted.has(row.id)) row.remove();
    order.forEach((id, at) => {
      const row = byId(id);
      if (row && rows.children[at] !== row) rows.insertBefore(row, rows.children[at] ?? null);
    });
    byId("table").hidden = order.length === 0;
  };

  let isFirst = true;

  const take = ({ now, parts, order }) => {
    ahead = now - Date.now() / 1000;
    const focused = document.activeElement;
    const said = [];
    const rows = byId("rows");
    const gone = order && rows
      ? [...rows.children].filter((row) => row.dataset.name && !order.includes(row.id))
      : [];
    for (const row of gone) said.push(`${row.dataset.name} has ended.`);
    for (const [id, text] of Object.entries(parts)) {
      const before = standing(id);
      const have = byId(id);
      if (have) morph(have, element(text));
      else if (rows) rows.append(element(text));
      const after = standing(id);
      if (after && after.state !== before?.state) said.push(`${after.name}: ${after.state}.`);
    }
    if (order && rows) arrange(order);
    tick();
    // What was loaded a moment ago is no news.
    if (!isFirst) say(said);
    isFirst = false;
    if (focused !== document.activeElement && focused !== body) {
      (focused?.isConnected ? focused : byId("main")).focus({ preventScroll: true });
    }
  };

  const follow = (path) => {
    let source = null;
    let again = 0;
    const show = (is, text) => {
      const live = byId("live");
      if (live.dataset.is === is) return;
      live.dataset.is = is;
      live.textContent = text;
    };
    const close = () => {
      clearTimeout(again);
      source?.close();
      source = null;
    };
    const open = () => {
      close();
      source = new EventSource(path);
      source.onmessage = (event) => {
        show("live", "Live");
        take(JSON.parse(event.data));
      };
      source.addEventListener("over", () => {
        close();
        location.reload();
      });
      source.onerror = () => {
        show("trouble", "Not live");
        // Closed for good: refused, since too many pages are open or the session is over.
        if (source?.readyState === EventSource.CLOSED) {
          close();
          again = setTimeout(open, 10_000);
          fetch(location.href, { method: "HEAD", redirect: "manual" }).then((answer) => {
            if (answer.type === "opaqueredirect") location.reload();
          }, () => {});
        }
      };
    };
    // A page that nobody sees needs no connection, of which a browser has few.
    const see = () => (document.hidden ? close() : open());
    document.addEventListener("visibilitychange", see);
    addEventListener("pagehide", close);
    addEventListener("pageshow", (event) => event.persisted && see());
    see();
  };

  // --- Questions.

  const ask = (link) => {
    const dialog = byId("ask");
    const form = dialog.querySelector("form");
    const { stop, stopMine } = link.dataset;
    const many = stopMine === "1" ? "1 tunnel of yours" : `${stopMine} tunnels of yours`;
    byId("ask-title").textContent = `Stop ${stopMine ? many : stop}?`;
    form.action = link.href;
    form.reset();
    dialog.showModal();
  };

  const copy = async (button) => {
    const from = byId(button.dataset.copy);
    const text = from.textContent.trimEnd();
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No clipboard without TLS: it is marked, and there is the old way.
      getSelection().selectAllChildren(from);
      if (!document.execCommand("copy")) return;
    }
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-stop], a[data-stop-mine]");
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (link && byId("ask") && isPlain) {
      event.preventDefault();
      ask(link);
    }
    const button = event.target.closest("button[data-copy]");
    if (button) copy(button);
    if (event.target.id === "keep") byId("ask").close();
  });

  for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
  setInterval(tick, 1000);
  tick();
  if (body.dataset.live) follow(body.dataset.live);
})();
