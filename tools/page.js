// SPDX-License-Identifier: BSD-2-Clause
// What the pages share: their data, sizes, elements, bars.
"use strict";
window.onerror = m => { document.body.dataset.error = m; };
const D = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
function size(n) { let u = 0; while (n >= 1024 && u < 4) { n /= 1024; u++; }
  return (u ? n.toFixed(1) : n) + " " + UNITS[u]; }
function add(to, tag, text, more) { const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  Object.assign(e, more || {}); to.append(e); return e; }
function swatch(to, color) { add(to, "i").style.background =
  "var(--" + color + ")"; }
function bar(to, parts) { const b = add(to, "div", "", { className: "bar" });
  const all = parts.reduce((s, p) => s + p[1], 0) || 1;
  for (const [color, n, label] of parts) { const i = add(b, "i");
    i.style.width = 100 * n / all + "%"; i.style.background =
      "var(--" + color + ")"; if (label) i.title = label + ": " + size(n); }
  return b; }
function titleOf(of) { return of.command + (of.pid ? " (PID " + of.pid + ")"
  : " (core file)") + ", tcm " + of.version + ", " + D.time; }
