// Positions of the labels of marked points, so that they do not overlap.

const GAP = 10; // pixels between a point and its label
const HEIGHT = 17;

// Plotly's name of a position → the label's box: left and top relative to the point, width
const POSITIONS = {
  "middle right": (w) => [GAP, -HEIGHT / 2, w],
  "middle left": (w) => [-GAP - w, -HEIGHT / 2, w],
  "top center": (w) => [-w / 2, -GAP - HEIGHT, w],
  "bottom center": (w) => [-w / 2, GAP, w],
  "top right": (w) => [GAP / 2, -GAP - HEIGHT, w],
  "bottom right": (w) => [GAP / 2, GAP, w],
  "top left": (w) => [-GAP / 2 - w, -GAP - HEIGHT, w],
  "bottom left": (w) => [-GAP / 2 - w, GAP, w],
};

const overlap = (a, b) => a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + HEIGHT && b[1] < a[1] + HEIGHT;

/**
 * The position of each point's label, or null if there is no room.
 *
 * @param points `{x, y, width}` in pixels, the most important first; `width` is the name's.
 * @param size `{width, height}` of the picture.
 */
export function placed(points, size) {
  const inside = ([x, y, wide]) => x >= 0 && x + wide <= size.width && y >= 0 && y + HEIGHT <= size.height;
  const marks = points.map(({ x, y }) => [x - 8, y - HEIGHT / 2, 16]);
  const names = [];
  return points.map(({ x, y, width }, own) => {
    if (!inside([x, y - HEIGHT / 2, 0])) return null;
    const free = Object.entries(POSITIONS)
      .map(([position, box]) => [position, box(width)])
      .map(([position, [left, top, wide]]) => [position, [x + left, y + top, wide]])
      .filter(([, box]) => inside(box) && !names.some((other) => overlap(box, other)));
    // No label covers the first mark; of the others it covers as few as possible.
    const covered = (box) => marks.filter((mark, at) => at !== own && overlap(box, mark)).length;
    const usable = free.filter(([, box]) => !own || !overlap(box, marks[0]));
    const [position, box] = usable.sort((a, b) => covered(a[1]) - covered(b[1]))[0] ?? [null, null];
    if (position) names.push(box);
    return position;
  });
}

/** A name short enough for the map. */
export function shortened(name, most = 30) {
  const signs = Array.from(name);
  return signs.length > most ? `${signs.slice(0, most - 1).join("").trimEnd()}…` : name;
}
