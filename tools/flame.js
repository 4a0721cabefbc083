// SPDX-License-Identifier: BSD-2-Clause
// The flame graph of a profile: callers above what they call, each as wide as
// its bytes.  flame(box, profile) fills the element box.
//
//   profile.frames   [depth, name, live bytes, live blocks, allocated bytes,
//                    allocated blocks, growth], callers before what they call;
//                    the numbers hold those of the frames below
//   profile.off      instead of all others: why there is no profile
const ROW = 22, REST = "[other]";
const WAYS = [["In use", 0, 1, "in use"], ["Allocated", 2, 3, "allocated"],
  ["Growth", 4, 1, "grown"]];
function framesOf(list) {
  const path = [];
  for (const [depth, name, ...n] of list) {
    const frame = { name, n, up: path[depth - 1], below: [], row: 0 };
    if (depth > 0) frame.up.below.push(frame);
    path[depth] = frame;
  }
  return path[0];
}
// Equal names have equal colors.
function hueOf(name) {
  let hue = 7;
  for (const c of name) hue = (hue * 31 + c.codePointAt(0)) % 3600;
  return hue / 10;
}
function matches(frame, sought) {
  return sought !== "" && frame.name.toLowerCase().includes(sought);
}
// Bytes of the frames that match, what they call included, each byte once.
function sumOf(frame, sought, column) {
  return matches(frame, sought) ? frame.n[column] : frame.below.reduce((sum,
    below) => sum + sumOf(below, sought, column), 0);
}
class Flame {
  constructor(box, profile) {
    this.root = this.zoom = this.at = framesOf(profile.frames);
    this.way = WAYS[profile.growth ? 2 : 0];
    this.sought = "";
    this.tools(box, profile);
    this.text = add(box, "p", "", { className: "frame" });
    this.graph = add(box, "div", "", { className: "flame" });
    this.graph.setAttribute("role", "group");
    this.graph.setAttribute("aria-label", "Flame graph");
    this.listen();
    this.draw();
    this.tell(this.root);
  }
  tools(box, profile) {
    const tools = add(box, "div", "", { className: "tools" });
    this.switches = WAYS.filter(way => way[1] < 4 || profile.seconds > 0).map(
      way => add(tools, "button", way[0], { way, onclick: () => {
        this.way = way; this.draw(); this.tell(this.at); } }));
    add(tools, "button", "Reset", { onclick: () => this.reset() });
    this.search = add(tools, "input", undefined, { type: "search",
      placeholder: "Search functions", oninput: () => {
        this.sought = this.search.value.trim().toLowerCase(); this.draw(); } });
    this.search.setAttribute("aria-label", "Search functions");
    this.found = add(tools, "output", "", { className: "weak" });
  }
  listen() {
    const at = act => event => {
      const button = event.target.closest("button");
      if (button) act(button.frame);
    };
    this.graph.onclick = at(frame => this.zoomTo(frame));
    this.graph.onpointerover = at(frame => this.tell(frame));
    this.graph.addEventListener("focusin", at(frame => {
      this.choose(frame); this.tell(frame); }));
    this.graph.onkeydown = event => this.key(event);
    // The bars of a phone come and go: that is no other width.
    window.addEventListener("resize", () => {
      if (this.graph.clientWidth !== this.width) this.draw(); });
  }
  share(bytes) {
    return (100 * bytes / (this.root.n[this.way[1]] || 1)).toFixed(1) + " %";
  }
  describe(frame) {
    const [, bytes, blocks, what] = this.way, n = frame.n;
    return frame.name + ": " + size(n[bytes]) + " " + what + ", " +
      this.share(n[bytes]) + ", " + n[blocks] + " blocks" + (bytes === 4 ?
      " in use" : "");
  }
  tell(frame) { this.text.textContent = this.describe(frame); }
  // A rectangle; x and w are shares of the width.
  put(frame, x, w, row, kind) {
    const button = add(this.graph, "button", frame.name, { frame,
      type: "button", tabIndex: -1 });
    button.className = [kind, frame.name === REST ? "rest" : "",
      matches(frame, this.sought) ? "hit" : ""].join(" ").trim();
    button.style.left = 100 * x + "%";
    button.style.width = 100 * w + "%";
    button.style.top = row * ROW + "px";
    button.style.setProperty("--hue", hueOf(frame.name));
    button.setAttribute("aria-label", this.describe(frame));
    frame.button = button;
    frame.row = row;
    (this.rows[row] = this.rows[row] || []).push(frame);
  }
  // What is narrower than half a pixel is left out.
  place(frame, x, w, row) {
    const column = this.way[1], all = frame.n[column];
    this.put(frame, x, w, row, "");
    frame.below.sort((a, b) => b.n[column] - a.n[column]);
    for (const below of frame.below) {
      const part = w * below.n[column] / all;
      if (!(part * this.width >= 0.5)) break;
      this.place(below, x, part, row + 1);
      x += part;
    }
  }
  draw() {
    const column = this.way[1], above = [];
    for (const row of this.rows || []) for (const f of row) f.button = null;
    this.rows = [];
    this.width = this.graph.clientWidth;
    this.graph.replaceChildren();
    for (let f = this.zoom.up; f; f = f.up) above.unshift(f);
    above.forEach((f, row) => this.put(f, 0, 1, row, "above"));
    this.place(this.zoom, 0, 1, above.length);
    this.graph.style.height = this.rows.length * ROW + "px";
    for (const button of this.switches)
      button.setAttribute("aria-pressed", button.way === this.way);
    const sum = sumOf(this.root, this.sought, column);
    this.found.textContent = this.sought === "" ? "" : sum === 0 ?
      "None matches" : "Matches: " + size(sum) + ", " + this.share(sum);
    this.choose(this.at.button ? this.at : this.zoom);
  }
  // The frame that the tabulator key reaches.
  choose(frame) {
    if (this.at.button) this.at.button.tabIndex = -1;
    this.at = frame;
    frame.button.tabIndex = 0;
  }
  focus(frame) { if (frame && frame.button) frame.button.focus(); }
  zoomTo(frame) {
    const had = this.graph.contains(document.activeElement);
    this.zoom = this.at = frame;
    this.draw();
    this.tell(frame);
    if (had) this.focus(frame);
  }
  reset() {
    this.search.value = this.sought = "";
    this.zoomTo(this.root);
  }
  key(event) {
    const row = this.rows[this.at.row], i = row.indexOf(this.at);
    const to = { ArrowUp: this.at.up, ArrowDown: (this.rows[this.at.row + 1] ||
      []).find(f => f.up === this.at), ArrowLeft: row[i - 1],
      ArrowRight: row[i + 1], Home: this.root }[event.key];
    if (event.key === "Escape") this.zoomTo(this.root);
    else if (to) this.focus(to);
    else if (!/^(Arrow|Home)/.test(event.key)) return;
    event.preventDefault();
  }
}
function flame(box, profile) {
  const weak = { className: "weak" };
  if (profile.off) { add(box, "p", profile.off, weak); return; }
  if (profile.note) add(box, "p", profile.note);
  add(box, "p", "Which code allocated the memory, callers above what they " +
    "call: estimates from " + profile.samples + " samples, one in " +
    size(profile.mean) + (profile.lost ? "; " + profile.lost + " were lost" :
    "") + ".  Allocated: " + (profile.seconds > 0 ? "during these " +
    profile.seconds.toFixed(1) + " s." : "since samples are " +
    "taken, freed blocks included.") + "  Frames below " + profile.least +
    " % are joined as " + REST + ".  A click or Enter zooms in, Escape out; " +
    "the arrow keys move.", weak);
  new Flame(box, profile);
}
