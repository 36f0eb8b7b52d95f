/* The page's program: sorts tables, draws the charts' specs over uPlot's axes, turns backends on and off, changes
   between light and dark, and copies commands. Text from outside is set as text alone, never as HTML. */
(function () {
"use strict";
const root = document.documentElement;
const state = (name, value) => { root.dataset[name] = String(value); };
let errors = 0;
state("errors", 0);
addEventListener("error", () => state("errors", ++errors));
addEventListener("securitypolicyviolation", () => state("errors", ++errors));

function make(tag, className, words) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (words !== undefined) element.textContent = words;
  return element;
}

/* Numbers: three digits, as in the tables. */
function grouped(digits) { return digits.replace(/\B(?=(\d{3})+$)/g, ","); }
function compact(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const [digits, power] = value.toExponential(2).split("e");
  const exponent = Number(power);
  if (exponent >= 9 || exponent <= -5) return digits + "e" + exponent;
  if (exponent >= 2) return (value < 0 ? "-" : "") + grouped(String(Math.round(Math.abs(value))));
  return value.toFixed(2 - exponent);
}
/* A count is shown whole. */
const exact = (value) => Number.isInteger(value) && Math.abs(value) < 1e9 ? grouped(String(value)) : compact(value);
function tickText(value) {
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential(0).replace("+", "");
  const [scaled, suffix] = size >= 1e9 ? [value / 1e9, "G"] : size >= 1e6 ? [value / 1e6, "M"]
    : size >= 1e4 ? [value / 1e3, "k"] : [value, ""];
  if (Math.abs(scaled) >= 1e3) return compact(scaled) + suffix;
  return String(Number(scaled.toFixed(5))) + suffix;
}

/* Round values along an axis. */
function linearTicks(min, max, wanted, whole) {
  const rough = Math.max((max - min) / Math.max(wanted, 1), whole ? 1 : 0);
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * decade).find((step) => step >= rough * 0.999 && !(whole && step % 1));
  const ticks = [];
  if (!(step > 0)) return [min];
  for (let index = Math.ceil(min / step - 1e-9); index * step <= max + step * 1e-6 && ticks.length < 40; index++) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}
function logTicks(min, max, wanted) {
  const within = (factors) => {
    const ticks = [];
    for (let decade = Math.floor(Math.log10(min)); decade <= Math.ceil(Math.log10(max)); decade++) {
      for (const factor of factors) {
        const tick = Number((factor * 10 ** decade).toPrecision(12));
        if (tick >= min && tick <= max) ticks.push(tick);
      }
    }
    return ticks;
  };
  const fine = within([1, 2, 5]);
  if (fine.length < 3) return linearTicks(min, max, wanted);
  if (fine.length <= wanted + 3) return fine;
  const coarse = within([1]);
  if (coarse.length < 2) return fine;
  const every = Math.max(1, Math.ceil(coarse.length / (wanted + 3)));
  return coarse.filter((_, index) => index % every === 0);
}

/* Tables: a head is a button that sorts, first the way that its kind asks for. */
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!head.textContent) return;
    const button = make("button", "", head.textContent);
    button.type = "button";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const key = (row) => {
        const cell = row.cells[column];
        return cell.dataset.sort === undefined ? null : Number(cell.dataset.sort);
      };
      const order = [...body.rows].map((row) => [key(row), row]).sort(([a, one], [b, other]) => {
        /* What has no number stays at the end. */
        if (a !== null && b !== null) return down ? b - a : a - b;
        if (a !== null || b !== null) return a === null ? 1 : -1;
        const words = (row) => row.cells[column].textContent;
        if (words(one) === "–" || words(other) === "–") return (words(one) === "–") - (words(other) === "–");
        return (down ? -1 : 1) * words(one).localeCompare(words(other), "en", { numeric: true });
      });
      body.append(...order.map(([, row]) => row));
    });
  });
}
document.querySelectorAll("table.sortable").forEach(sortable);

/* Commands are copied by a button. */
for (const shell of document.querySelectorAll(".shell")) {
  const words = shell.textContent;
  const button = make("button", "", "Copy");
  button.type = "button";
  button.setAttribute("aria-label", "Copy this command");
  button.addEventListener("click", () => {
    const done = (word) => { button.textContent = word; setTimeout(() => { button.textContent = "Copy"; }, 1500); };
    const select = () => { getSelection().selectAllChildren(shell.firstChild); done("Selected"); };
    if (navigator.clipboard) navigator.clipboard.writeText(words).then(() => done("Copied"), select);
    else select();
  });
  shell.append(button);
}

/* Light and dark. */
const darkPage = matchMedia("(prefers-color-scheme: dark)");
let printing = false;
const isDark = () => !printing && (root.dataset.theme ? root.dataset.theme === "dark" : darkPage.matches);
const theme = make("button", "theme");
theme.type = "button";
const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; theme.title = "Change between light and dark"; };
nameTheme();
theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; repaint(); });
darkPage.addEventListener("change", () => repaint());
document.querySelector("nav").append(theme);

/* Charts. */
const data = JSON.parse(document.getElementById("report-data").textContent);
const hidden = new Set();
const plots = [];
const colourOf = (series) => getComputedStyle(root).getPropertyValue("--s" + series.style % data.colours).trim();
const lookOf = (series) => data.looks[series.style % data.looks.length];
const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
const isShown = (mark) => !mark.series || !hidden.has(mark.series.label);
const announced = make("p", "hidden-text");
announced.setAttribute("aria-live", "polite");
document.body.append(announced);

function repaint() {
  nameTheme();
  for (const plot of plots) plot.repaint();
}

const unitOf = (axis) => axis.unit ? " " + axis.unit : "";
const axisWords = (axis) => [axis.name + (axis.unit && !axis.name.includes(axis.unit) ? " (" + axis.unit + ")" : ""), axis.detail]
  .filter(Boolean).join(", ");
const betterWords = (axis) => axis.better ? " · " + axis.better + " is better" : "";

/* Marks that this program knows how to paint; another leaves a word behind. */
const pointsOf = (mark) => Array.isArray(mark.points) ? mark.points : [];
const sizeOf = (mark) => (mark.points || mark.bins || mark.values || []).length;

function marker(context, kind, x, y, size) {
  const [corners, turn, by] = [[24, 0, 1], [4, 0.5, 1.2], [3, 0, 1.3], [4, 0, 1.3], [3, 0.5, 1.3], [6, 0, 1.1]][kind] || [5, 0, 1.2];
  context.beginPath();
  for (let corner = 0; corner < corners; corner++) {
    const angle = (corner + turn) * 2 * Math.PI / corners;
    context.lineTo(x + size * by * Math.sin(angle), y - size * by * Math.cos(angle));
  }
  context.closePath();
  context.fill();
}

function stroke(context, places, dashes, ratio) {
  context.setLineDash(dashes.map((dash) => dash * ratio));
  context.beginPath();
  places.forEach(([x, y], index) => index ? context.lineTo(x, y) : context.moveTo(x, y));
  context.stroke();
  context.setLineDash([]);
}

/* A few markers along a line, each line's at other points, so that lines on each other still show theirs. */
function markers(context, places, series, ratio) {
  const every = Math.max(1, Math.ceil(places.length / 8));
  const first = places.length > every ? Math.floor(series.style * every / data.colours + every / 2) % every : 0;
  places.forEach((at, index) => {
    if ((index >= first && (index - first) % every === 0) || index === places.length - 1) marker(context, lookOf(series).marker, ...at, 3.6 * ratio);
  });
}

/* How far a point may lie from where it is drawn: [x, x_low, x_high, y, y_low, y_high]. */
function whiskers(context, place, mark, ratio) {
  context.lineWidth = 1.4 * ratio;
  const cap = 4 * ratio;
  for (const [x, xLow, xHigh, y, yLow, yHigh] of mark.points) {
    const [left, right, low, high] = [place([xLow, y]), place([xHigh, y]), place([x, yLow]), place([x, yHigh])];
    if (right[0] - left[0] >= ratio) {
      stroke(context, [left, right], [], ratio);
      for (const [end, at] of [left, right]) stroke(context, [[end, at - cap], [end, at + cap]], [], ratio);
    }
    if (low[1] - high[1] >= ratio) {
      stroke(context, [low, high], [], ratio);
      for (const [at, end] of [low, high]) stroke(context, [[at - cap, end], [at + cap, end]], [], ratio);
    }
  }
}

function area(context, places, opacity) {
  context.globalAlpha = opacity;
  context.beginPath();
  places.forEach(([x, y], index) => index ? context.lineTo(x, y) : context.moveTo(x, y));
  context.closePath();
  context.fill();
  context.globalAlpha = 1;
}

/* From point to point: what one of them reaches, until the next reaches more. */
function frontier(context, place, mark, box, ratio) {
  const stair = [];
  for (const at of mark.points.map(place)) {
    const before = stair[stair.length - 1];
    if (before) stair.push(mark.ideal.endsWith("left") ? [at[0], before[1]] : [before[0], at[1]]);
    stair.push(at);
  }
  /* Beyond its ends it goes on to the edges. */
  if (stair.length) {
    const [first, last] = [stair[0], stair[stair.length - 1]];
    const [left, top] = [mark.ideal.endsWith("left"), mark.ideal.startsWith("top")];
    stair.unshift(left ? [first[0], top ? box.top + box.height : box.top] : [box.left, first[1]]);
    stair.push(left ? [box.left + box.width, last[1]] : [last[0], top ? box.top + box.height : box.top]);
  }
  context.lineWidth = 1.8 * ratio;
  stroke(context, stair, [2, 4], ratio);
  const words = { top_left: "↖ ideal", top_right: "ideal ↗", bottom_left: "↙ ideal", bottom_right: "ideal ↘" }[mark.ideal];
  context.font = 12 * ratio + "px system-ui, sans-serif";
  context.textAlign = mark.ideal.endsWith("left") ? "left" : "right";
  context.textBaseline = mark.ideal.startsWith("top") ? "top" : "bottom";
  context.fillText(words || "", mark.ideal.endsWith("left") ? box.left + 8 * ratio : box.left + box.width - 8 * ratio,
    mark.ideal.startsWith("top") ? box.top + 8 * ratio : box.top + box.height - 8 * ratio);
}

/* A name beside each point, on the side where there is room. */
function names(context, places, words, box, ratio) {
  context.font = 11 * ratio + "px system-ui, sans-serif";
  context.textBaseline = "bottom";
  words.forEach((word, index) => {
    const [x, y] = places[index];
    const left = x + context.measureText(word).width + 10 * ratio > box.left + box.width;
    context.textAlign = left ? "right" : "left";
    context.fillText(word, x + (left ? -8 : 8) * ratio, Math.max(box.top + 13 * ratio, y - 3 * ratio));
  });
}

/* Above the plot: which phase each run was in. */
const stripHeight = (mark) => mark.kind !== "phases" ? 0 : mark.named ? 17 : 7;
const stripsHeight = (panel) => {
  const height = panel.marks.filter(isShown).reduce((sum, mark) => sum + stripHeight(mark), 0);
  return height && height + 4;
};
function strips(context, plot, panel, ratio) {
  const [left, right] = [plot.bbox.left, plot.bbox.left + plot.bbox.width];
  const within = (value) => Math.max(left, Math.min(right, plot.valToPos(value, "x", true)));
  let top = plot.bbox.top - stripsHeight(panel) * ratio;
  context.font = 10 * ratio + "px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const mark of panel.marks) {
    if (mark.kind !== "phases" || !isShown(mark)) continue;
    const height = (stripHeight(mark) - 2) * ratio;
    for (const span of mark.spans) {
      const [from, to] = [within(span.from), within(span.to)];
      if (to - from < ratio / 2) continue;
      context.fillStyle = context.strokeStyle = colourOf(mark.series);
      context.lineWidth = ratio;
      context.globalAlpha = span.phase === "measured" ? 0.42 : span.phase === "launch" ? 0.6 : 0.16;
      if (span.phase === "launch") context.strokeRect(from + ratio / 2, top + ratio / 2, to - from - ratio, height - ratio);
      else context.fillRect(from, top, to - from, height);
      context.globalAlpha = 1;
      const phase = phaseWords(span);
      const long = span.phase !== "measured" ? [phase] : [mark.series.label + ": " + phase + ", " + compact(span.to - span.from) + " s", mark.series.label + ": " + phase, phase];
      const words = mark.named && long.find((words) => context.measureText(words).width <= to - from - 6 * ratio);
      context.fillStyle = colour("ink");
      if (words) context.fillText(words, (from + to) / 2, top + height / 2);
    }
    top += stripHeight(mark) * ratio;
  }
}
const phaseWords = (span) => span.phase === "warm_up" ? "warm-up" : span.phase;

/* Returns whether it knew the mark. */
function paintMark(context, place, mark, panel, box, ratio) {
  const points = pointsOf(mark);
  const look = mark.series ? lookOf(mark.series) : data.looks[0];
  context.strokeStyle = context.fillStyle = mark.series ? colourOf(mark.series) : colour("soft");
  context.lineWidth = 2 * ratio;
  context.lineJoin = "round";
  switch (mark.kind) {
    case "line":
      stroke(context, points.map(place), look.dashes, ratio);
      markers(context, points.map(place), mark.series, ratio);
      return true;
    case "steps": {
      const places = [];
      const bottom = panel.y.scale.kind === "log" ? panel.y.scale.min : 0;
      let last = place([points.length ? points[0][0] : 0, bottom])[1];
      for (const point of points) {
        const [x, y] = place(point);
        places.push([x, last], [x, y]);
        last = y;
      }
      stroke(context, places, look.dashes, ratio);
      markers(context, points.map(place), mark.series, ratio);
      return true;
    }
    case "points":
      for (const point of points) marker(context, look.marker, ...place(point), (mark.hollow ? 5 : 4) * ratio);
      if (mark.hollow) {
        context.fillStyle = colour("page");
        for (const point of points) marker(context, look.marker, ...place(point), 2.8 * ratio);
      }
      names(context, points.map(place), mark.names || [], box, ratio);
      return true;
    case "band":
      area(context, points.map((point) => place([point[0], point[1]])).concat(points.map((point) => place([point[0], point[2]])).reverse()), 0.18);
      return true;
    case "whiskers":
      whiskers(context, place, mark, ratio);
      return true;
    case "histogram": {
      if (!mark.bins.length) return true;
      const outline = [[mark.bins[0][0], 0], ...mark.bins.flatMap(([from, to, share]) => [[from, share], [to, share]]), [mark.bins[mark.bins.length - 1][1], 0]].map(place);
      area(context, outline, 0.12);
      stroke(context, outline, look.dashes, ratio);
      return true;
    }
    case "frontier":
      frontier(context, place, mark, box, ratio);
      return true;
    /* Its strip lies above the plot. */
    case "phases":
      return true;
    default:
      return false;
  }
}

function axisTitle(axis) {
  const head = make("p", "title", axisWords(axis));
  head.append(make("span", "better", betterWords(axis)));
  return head;
}

/* The range of a scale, from the spec. */
function rangeOf(scale) { return [scale.min ?? 0, scale.max]; }

/* What a point is called, as the load that it stands for. */
function nameOf(mark, point) {
  const name = (mark.names || [])[pointsOf(mark).indexOf(point)];
  return name ? " (" + name + ")" : "";
}

/* The ends of a band or of whiskers at a point. */
function spread(panel, series, x) {
  for (const mark of panel.marks) {
    if (!mark.series || mark.series.label !== series.label) continue;
    const ends = pointsOf(mark).find((point) => point.length > 2 && point[0] === x);
    if (ends) return " [" + ends.slice(-2).map(compact).join(", ") + "]";
  }
  return "";
}

function drawPlot(panel, title, into, stacked) {
  into.append(axisTitle(panel.y));
  const box = make("div", "plot");
  into.append(box);
  const scales = { x: panel.x.scale, y: panel.y.scale };
  const full = { x: rangeOf(scales.x), y: rangeOf(scales.y) };
  /* Of panels below each other the last one names their axis. */
  const namesX = !stacked || stacked.isLast;
  const height = stacked ? 140 + stripsHeight(panel) + (namesX ? 56 : 4) : 300;
  const width = () => Math.max(240, Math.floor(box.clientWidth || into.clientWidth || 480));
  const tip = make("div", "tip");
  tip.hidden = true;
  const dots = [];
  const reset = make("button", "reset", "Whole chart");
  reset.type = "button";
  reset.hidden = true;
  const scaleOf = (axis) => ({ time: false, auto: false, distr: scales[axis].kind === "log" ? 3 : 1, min: full[axis][0], max: full[axis][1],
    /* By itself uPlot widens a logarithmic axis to whole decades. */
    range: (plot, min, max) => [min ?? full[axis][0], max ?? full[axis][1]] });
  const ticks = (axis, apart) => (plot, index, min, max) => {
    const span = axis === "x" ? plot.width - 70 : plot.height - 50;
    const wanted = Math.max(2, Math.round(span / apart));
    const own = (panel[axis].ticks || []).filter((tick) => tick >= min && tick <= max);
    if (own.length > 1) return own;
    return (scales[axis].kind === "log" ? logTicks : linearTicks)(min, max, wanted, scales[axis].whole);
  };
  const axisOf = (axis, apart, size) => ({
    scale: axis, side: axis === "x" ? 2 : 3, size, gap: 6, labelGap: 0, labelSize: 22,
    /* The name of the upright axis stands above it, where it can be read. */
    label: axis === "x" ? axisWords(panel.x) + betterWords(panel.x) : null, labelFont: "12px system-ui, sans-serif", font: "12px system-ui, sans-serif",
    stroke: () => colour("soft"),
    grid: { stroke: () => colour("line"), width: 1 }, ticks: { stroke: () => colour("axis"), width: 1, size: 4 },
    splits: ticks(axis, apart), values: (plot, splits) => splits.map(tickText), filter: (plot, splits) => splits,
    ...(axis === "x" && !namesX ? { size: 4, label: null, values: (plot, splits) => splits.map(() => "") } : {}),
  });
  let drawn = 0;
  const note = make("p", "note");
  const paint = (plot) => {
    const context = plot.ctx;
    const ratio = devicePixelRatio || 1;
    const area = plot.bbox;
    const place = ([x, y]) => [plot.valToPos(x, "x", true), plot.valToPos(y, "y", true)];
    context.save();
    context.beginPath();
    context.rect(area.left, area.top - 4 * ratio, area.width + 4 * ratio, area.height + 8 * ratio);
    context.clip();
    references(context, plot, ratio);
    drawn = 0;
    const unknown = new Set();
    for (const mark of panel.marks) {
      if (!isShown(mark)) continue;
      if (paintMark(context, place, mark, panel, area, ratio)) drawn += sizeOf(mark) ? 1 : 0;
      else unknown.add(mark.kind);
    }
    context.restore();
    strips(context, plot, panel, ratio);
    box.dataset.marks = drawn;
    note.textContent = unknown.size ? "Not drawn here, see plots/: " + [...unknown].join(", ") : "";
  };
  const references = (context, plot, ratio) => {
    context.font = 11 * ratio + "px system-ui, sans-serif";
    context.fillStyle = context.strokeStyle = colour("axis");
    context.lineWidth = ratio;
    const area = plot.bbox;
    for (const axis of ["x", "y"]) {
      for (const reference of panel[axis].references || []) {
        const at = plot.valToPos(reference.at, axis, true);
        const across = axis === "y" ? [[area.left, at], [area.left + area.width, at]] : [[at, area.top], [at, area.top + area.height]];
        stroke(context, across, [4, 4], ratio);
        /* Of lines at the top the name stands below. */
        const low = axis === "y" && at - area.top < 14 * ratio;
        context.textAlign = "right";
        context.textBaseline = low ? "top" : "bottom";
        const [x, y] = axis === "y" ? [area.left + area.width - 4 * ratio, at + (low ? 3 : -2) * ratio] : [at - 4 * ratio, area.top + 14 * ratio];
        context.fillText(reference.label, x, y);
      }
    }
  };

  /* What lies at a place: of lines and stairs the value at x, of points the nearest one. */
  const nearest = (plot, left, top) => {
    const at = plot.posToVal(left, "x");
    const found = [];
    for (const mark of panel.marks) {
      if (mark.kind === "histogram" && isShown(mark)) {
        const bin = mark.bins.find(([from, to]) => at >= from && at < to);
        const x = bin && (panel.x.scale.kind === "log" ? Math.sqrt(bin[0] * bin[1]) : (bin[0] + bin[1]) / 2);
        if (bin) found.push({ mark, point: [x, bin[2]], shown: [x, bin[2]], between: true });
        continue;
      }
      const points = pointsOf(mark);
      if (!isShown(mark) || !mark.series || !points.length) continue;
      if (mark.kind === "band" || !["line", "steps", "points"].includes(mark.kind)) continue;
      const rising = points.every((point, index) => !index || points[index - 1][0] <= point[0]);
      let best = null, least = Infinity;
      if (mark.kind === "steps" && rising) {
        for (const point of points) if (point[0] <= at) best = point;
        if (!best) best = [points[0][0], 0];
        found.push({ mark, point: [at, best[1]], shown: best });
        continue;
      }
      const flat = mark.kind === "line" && rising;
      for (const point of points) {
        const x = plot.valToPos(point[0], "x") - left;
        const distance = flat ? Math.abs(x) : Math.hypot(x, plot.valToPos(point[1], "y") - top);
        if (distance < least) { least = distance; best = point; }
      }
      if (best && (flat || least < 40)) found.push({ mark, point: best, shown: best, distance: least });
    }
    /* A line with markers on it is one series and one value; the one with names says more. */
    found.sort((one, other) => !one.mark.names - !other.mark.names);
    /* Of a line with holes, the piece that lies nearest. */
    const pieces = found.filter((one) => one.mark.kind !== "line" || !found.some((other) => other !== one && other.mark.kind === "line"
      && other.mark.series.label === one.mark.series.label && other.distance < one.distance));
    return pieces.filter((one, place) => !pieces.some((other, before) => before < place
      && other.mark.series.label === one.mark.series.label && other.shown[0] === one.shown[0] && other.shown[1] === one.shown[1]));
  };
  const hide = () => { tip.hidden = true; dots.forEach((dot) => dot.remove()); dots.length = 0; };
  const show = (plot) => {
    const { left, top } = plot.cursor;
    hide();
    if (left === undefined || left < 0) return "";
    const found = nearest(plot, left, top);
    if (!found.length) return "";
    const x = found.reduce((one, other) => (other.distance ?? 0) < (one.distance ?? 0) ? other : one).shown[0];
    const lines = [[null, panel.x.name + ": " + exact(found.some((one) => one.between || one.mark.kind === "steps") ? plot.posToVal(left, "x") : x) + unitOf(panel.x)]];
    for (const { mark, shown, point, between } of found) {
      /* A cloud's own x may differ from the others'. */
      const own = mark.kind !== "steps" && !between && shown[0] !== x ? " at " + compact(shown[0]) + unitOf(panel.x) : "";
      lines.push([mark.series, mark.series.label + ": " + compact(shown[1]) + spread(panel, mark.series, shown[0]) + unitOf(panel.y) + own + nameOf(mark, shown)]);
      const [px, py] = [plot.valToPos(point[0], "x"), plot.valToPos(point[1], "y")];
      const dot = make("div", "dot s" + mark.series.style % data.colours);
      dot.style.left = px + "px";
      dot.style.top = py + "px";
      if (px >= 0 && py >= 0 && px <= plot.over.clientWidth && py <= plot.over.clientHeight) { plot.over.append(dot); dots.push(dot); }
    }
    tip.replaceChildren(...lines.map(([series, words]) => {
      const line = make("div");
      if (series) line.append(make("i", "swatch s" + series.style % data.colours));
      line.append(words);
      return line;
    }));
    tip.hidden = false;
    const right = left > plot.over.clientWidth / 2;
    tip.style.left = (right ? left - tip.offsetWidth - 14 : left + 14) + "px";
    tip.style.top = Math.max(0, Math.min(top - tip.offsetHeight / 2, plot.over.clientHeight - tip.offsetHeight)) + "px";
    return lines.map(([, words]) => words).join("; ");
  };
  const zoomed = (plot) => {
    const same = (axis) => Math.abs(plot.scales[axis].min - full[axis][0]) + Math.abs(plot.scales[axis].max - full[axis][1]) <= 1e-9 * Math.abs(full[axis][1]);
    reset.hidden = same("x") && same("y");
    hide();
  };
  const whole = () => plot.batch(() => {
    for (const axis of ["x", "y"]) plot.setScale(axis, { min: full[axis][0], max: full[axis][1] });
  });
  const plot = new uPlot({
    width: width(), height, padding: [10 + stripsHeight(panel), 14, 0, 0], legend: { show: false },
    cursor: {
      drag: { x: true, y: true, uni: 24, dist: 6 }, points: { show: false },
      bind: { dblclick: () => () => { whole(); return null; } },
    },
    scales: { x: scaleOf("x"), y: scaleOf("y") },
    axes: [axisOf("x", 80, 34), axisOf("y", stacked ? 34 : 46, 50)],
    series: [{}, { show: true, paths: () => null, points: { show: false } }],
    hooks: { draw: [paint], setCursor: [(plot) => { show(plot); }], setScale: [zoomed] },
  }, [full.x, full.y], box);
  plot.over.append(tip);
  plot.over.addEventListener("mouseleave", hide);
  reset.addEventListener("click", whole);
  box.append(reset);
  into.append(note);

  /* By keyboard: arrows walk along the values, + and - zoom, 0 shows all. */
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-roledescription", "chart");
  box.setAttribute("aria-label", title + ". Arrow keys walk along the values, plus and minus zoom, 0 shows all of it. Its values are in a table below.");
  const zoom = (by) => {
    const around = plot.cursor.left >= 0 ? plot.cursor.left / plot.over.clientWidth : 0.5;
    const from = around - around * by, to = around + (1 - around) * by;
    const at = (share) => plot.posToVal(share * plot.over.clientWidth, "x");
    const [min, max] = [Math.max(at(from), full.x[0]), Math.min(at(to), full.x[1])];
    if (max > min) plot.setScale("x", { min, max });
  };
  const walk = (step) => {
    const middle = ([from, to]) => panel.x.scale.kind === "log" ? Math.sqrt(from * to) : (from + to) / 2;
    const placesOf = (mark) => mark.bins ? mark.bins.map((bin) => [middle(bin), bin[2]])
      : ["line", "steps", "points"].includes(mark.kind) ? pointsOf(mark) : [];
    const places = panel.marks.filter(isShown).flatMap(placesOf);
    const xs = [...new Set(places.map((point) => point[0]))]
      .filter((x) => x >= plot.scales.x.min && x <= plot.scales.x.max).sort((a, b) => a - b);
    if (!xs.length) return;
    const at = plot.cursor.left >= 0 ? plot.posToVal(plot.cursor.left, "x") : null;
    let index = at === null ? (step > 0 ? 0 : xs.length - 1)
      : xs.reduce((best, x, place) => Math.abs(x - at) < Math.abs(xs[best] - at) ? place : best, 0) + step;
    if (step === Infinity) index = xs.length - 1;
    if (step === -Infinity) index = 0;
    index = Math.max(0, Math.min(xs.length - 1, index));
    const y = places.find((point) => point[0] === xs[index])[1];
    plot.setCursor({ left: plot.valToPos(xs[index], "x"), top: plot.valToPos(y, "y") });
    announced.textContent = show(plot);
  };
  box.addEventListener("keydown", (event) => {
    const few = event.shiftKey ? 10 : 1;
    const actions = {
      ArrowRight: () => walk(few), ArrowLeft: () => walk(-few), Home: () => walk(-Infinity), End: () => walk(Infinity),
      "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: whole,
      Escape: () => { hide(); plot.setCursor({ left: -10, top: -10 }); },
    };
    const action = event.target === box && !event.ctrlKey && !event.metaKey && !event.altKey && actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  box.addEventListener("blur", hide);
  const resize = (to) => { if (to !== plot.width) plot.setSize({ width: to, height }); };
  new ResizeObserver(() => { if (!printing) resize(width()); }).observe(box);
  plots.push({ repaint: () => { hide(); plot.redraw(false, true); }, resize, width });
}

/* Rows of bars or of values with their ranges: plain boxes, whose places are shares of the axis. */
function drawRows(panel, into) {
  const { kind, min, max } = panel.x.scale;
  const rows = panel.y.scale.rows;
  const marks = panel.marks.filter((mark) => Array.isArray(mark.values));
  into.append(axisTitle(panel.x));
  const box = make("div", "bars");
  const share = (value) => {
    const part = kind === "log" ? Math.log(Math.max(value, min) / min) / Math.log(max / min) : value / max;
    return Math.max(0, Math.min(1, part)) * 100 + "%";
  };
  let drawn = 0;
  const lane = (mark, row, series) => {
    const line = make("div", mark.pale ? "lane pale" : "lane");
    const given = mark.values[row];
    const [value, low, high] = Array.isArray(given) ? given : [given, ...((mark.whiskers || [])[row] || [])];
    if (value === null || value === undefined) {
      line.append(make("span", "value", "–"));
      return line;
    }
    drawn++;
    const patch = "s" + series.style % data.colours;
    const piece = make("div", mark.kind === "ranges" ? "spot " + patch : "bar " + patch);
    piece.style[mark.kind === "ranges" ? "left" : "width"] = share(value);
    const words = make("span", "value", compact(value));
    if (mark.best === row) words.append(" ", make("b", "", "best"));
    const ranged = Number.isFinite(low) && Number.isFinite(high);
    words.style.left = share(ranged ? Math.max(high, value) : value);
    if (ranged) {
      const whisker = make("div", mark.kind === "ranges" ? "whisker " + patch : "whisker");
      whisker.style.left = share(low);
      whisker.style.width = "calc(" + share(high) + " - " + share(low) + ")";
      line.append(whisker);
    }
    line.prepend(piece);
    line.append(words);
    line.title = [series.label, mark.name].filter(Boolean).join(", ") + ": " + compact(value) + unitOf(panel.x)
      + (ranged ? " [" + compact(low) + ", " + compact(high) + "]" : "");
    return line;
  };
  rows.forEach((series, row) => {
    const who = make("div", "who", series.label);
    who.title = [series.label, series.detail].filter(Boolean).join(", ");
    const track = make("div", "track");
    const lanes = marks.map((mark) => [mark, lane(mark, row, mark.series || series)]);
    track.append(...lanes.map(([, line]) => line));
    box.append(who, track);
    plots.push({ repaint: () => {
      lanes.forEach(([mark, line]) => line.classList.toggle("off", !isShown(mark)));
      const off = hidden.has(series.label) && !marks.some((mark) => mark.series);
      [who, track].forEach((part) => part.classList.toggle("off", off));
    } });
  });
  box.dataset.marks = drawn;
  into.append(box);
  const key = make("ul", "key");
  const named = new Set(marks.map((mark) => mark.name).filter(Boolean));
  for (const mark of marks.filter((mark) => named.delete(mark.name))) {
    const entry = make("li");
    entry.append(make("span", mark.pale ? "chip pale" : "chip"), mark.name);
    key.append(entry);
  }
  if (key.childElementCount) into.append(key);
  legend(panel, into);
}

/* Which line is whose, with its dashes or marker. */
function legend(panel, into) {
  const key = make("ul", "key");
  const seen = new Map();
  for (const mark of panel.marks) {
    if (!mark.series || mark.kind === "phases") continue;
    const known = seen.get(mark.series.label);
    if (!known || known.kind === "band" || known.kind === "whiskers") seen.set(mark.series.label, mark);
  }
  for (const mark of seen.values()) {
    const entry = make("li");
    const canvas = make("canvas");
    const ratio = devicePixelRatio || 1;
    canvas.width = 34 * ratio;
    canvas.height = 12 * ratio;
    canvas.style.width = "34px";
    canvas.style.height = "12px";
    const paint = () => {
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.strokeStyle = context.fillStyle = colourOf(mark.series);
      context.lineWidth = 2 * ratio;
      const kind = mark.kind === "ranges" ? 0 : lookOf(mark.series).marker;
      if (mark.kind !== "histogram" && mark.kind !== "band") marker(context, kind, 17 * ratio, 6 * ratio, 4 * ratio);
      if (mark.kind !== "points" && mark.kind !== "ranges") stroke(context, [[0, 6 * ratio], [34 * ratio, 6 * ratio]], lookOf(mark.series).dashes, ratio);
    };
    paint();
    entry.append(canvas, mark.series.label + (mark.series.detail ? ", " + mark.series.detail : ""));
    plots.push({ repaint: () => { paint(); entry.classList.toggle("off", hidden.has(mark.series.label)); } });
    key.append(entry);
  }
  for (const mark of panel.marks.filter((mark) => mark.kind === "frontier")) key.append(make("li", "", "dotted: " + mark.name));
  if (key.childElementCount) into.append(key);
}

/* The values themselves, made when they are asked for. */
function values(chart, into) {
  const details = make("details");
  details.append(make("summary", "", "Its values as a table"));
  details.addEventListener("toggle", () => {
    if (!details.open || details.dataset.made) return;
    details.dataset.made = "1";
    for (const panel of chart.panels) {
      const rows = [];
      const ofSeries = (mark, kinds) => panel.marks.some((other) => other !== mark && other.series && mark.series
        && other.series.label === mark.series.label && kinds.includes(other.kind));
      /* Of a line and its points one is enough: the points, where they have names. */
      const named = panel.marks.some((mark) => mark.names && mark.names.length);
      for (const mark of panel.marks) {
        const label = mark.series ? mark.series.label : mark.name || "";
        if (Array.isArray(mark.values) && panel.y.scale.rows) {
          mark.values.forEach((given, row) => {
            const [value, low, high] = Array.isArray(given) ? given : [given, ...((mark.whiskers || [])[row] || [])];
            const ends = Number.isFinite(low) ? " [" + compact(low) + ", " + compact(high) + "]" : "";
            rows.push([panel.y.scale.rows[row].label, label, compact(value ?? null) + ends]);
          });
        } else if (Array.isArray(mark.spans)) {
          for (const span of mark.named ? mark.spans : []) rows.push([label, compact(span.from) + " to " + compact(span.to), phaseWords(span)]);
        } else if (Array.isArray(mark.bins)) {
          for (const [from, to, share] of mark.bins) rows.push([label, compact(from) + "–" + compact(to), compact(share)]);
        } else if (!((mark.kind === (named ? "line" : "points") && ofSeries(mark, ["line", "points"])) || (["band", "whiskers"].includes(mark.kind) && ofSeries(mark, ["line", "points"])))) {
          /* The ends of a band or of whiskers stand beside their points. */
          for (const point of pointsOf(mark)) {
            const ends = mark.series && point.length === 2 ? spread(panel, mark.series, point[0]) : "";
            rows.push([label, exact(point[0]) + nameOf(mark, point), point.slice(1).map(compact).join(" to ") + ends]);
          }
        }
      }
      const table = make("table");
      table.append(make("caption", "", axisWords(panel.x) + (panel.y.name ? " and " + axisWords(panel.y) : "")));
      const head = table.createTHead().insertRow();
      ["Backend", panel.y.scale.kind === "rows" ? "What" : axisWords(panel.x), panel.y.scale.kind === "rows" ? axisWords(panel.x) : axisWords(panel.y)]
        .forEach((words) => head.append(Object.assign(make("th", "", words), { scope: "col" })));
      const body = table.createTBody();
      for (const row of rows) {
        const line = body.insertRow();
        row.forEach((words) => { line.insertCell().textContent = words; });
      }
      const scroll = make("div", "scroll");
      scroll.tabIndex = 0;
      scroll.append(table);
      details.append(scroll);
    }
  });
  into.append(details);
}

function drawChart(chart) {
  const figure = document.getElementById("chart-" + chart.name);
  const panels = figure.querySelector(".panels");
  if (chart.stacked) panels.classList.add("stacked");
  chart.panels.forEach((panel, place) => {
    const box = make("div", "panel");
    panels.append(box);
    const stacked = chart.stacked && { isLast: place + 1 === chart.panels.length };
    if (panel.y.scale.kind === "rows") drawRows(panel, box);
    else if (panel.x.scale.kind !== "rows") drawPlot(panel, chart.title, box, stacked);
    /* Panels below each other have one legend. */
    if (panel.y.scale.kind !== "rows" && !stacked) legend(panel, box);
    else if (stacked && stacked.isLast) legend({ marks: chart.panels.flatMap((panel) => panel.marks) }, box);
  });
  values(chart, figure);
}

/* Backends on and off, in all charts. */
function controls() {
  const box = document.getElementById("controls");
  if (!box) return;
  const series = new Map();
  for (const chart of data.charts) for (const panel of chart.panels) {
    /* Rows of ranges are no backends: categories, lengths. */
    const own = panel.marks.map((mark) => mark.series).filter(Boolean);
    for (const one of own.length ? own : panel.y.scale.rows || []) {
      if (!series.has(one.label)) series.set(one.label, one);
    }
  }
  if (series.size > 1) {
    for (const one of series.values()) {
      const button = make("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      button.append(make("i", "swatch s" + one.style % data.colours), one.label);
      button.addEventListener("click", () => {
        if (!hidden.delete(one.label)) hidden.add(one.label);
        button.setAttribute("aria-pressed", String(!hidden.has(one.label)));
        repaint();
      });
      box.append(button);
    }
  }
}

/* On paper: light, all unfolded, the charts as wide as the page. */
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("main details:not([open])")].filter((details) => !details.closest(".chart"));
  unfolded.forEach((details) => { details.open = true; });
  const before = root.dataset.theme;
  printing = true;
  root.dataset.theme = "light";
  root.dataset.before = before || "";
  for (const plot of plots) if (plot.resize) plot.resize(Math.min(plot.width(), 700));
  repaint();
});
addEventListener("afterprint", () => {
  unfolded.forEach((details) => { details.open = false; });
  printing = false;
  if (root.dataset.before) root.dataset.theme = root.dataset.before;
  else delete root.dataset.theme;
  delete root.dataset.before;
  for (const plot of plots) if (plot.resize) plot.resize(plot.width());
  repaint();
});

controls();
let charts = 0;
for (const chart of data.charts) {
  /* One that fails leaves the others alone. */
  try {
    drawChart(chart);
    charts++;
    if (charts === 1) requestAnimationFrame(() => state("firstChartMs", Math.round(performance.now())));
  } catch (error) {
    state("errors", ++errors);
    console.error(error);
  }
}
state("charts", charts);
})();
