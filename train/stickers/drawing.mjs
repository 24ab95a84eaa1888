// One drawing of a set: found by its name, as an SVG, and where in it the ink is.

/** Pixels of a sticker's side in the atlas. */
export const SIDE = 96;

/** The drawing of a name, aliases followed: {body, square: {x, y, side}}, or null. */
export function find(set, name) {
  for (let i = 0; i < 5 && !set.icons[name]; i++) name = set.aliases?.[name]?.parent;
  const icon = set.icons[name];
  if (!icon) return null;
  const { left, top, width, height, body } = { left: 0, top: 0, width: set.width ?? 16, height: set.height ?? 16, ...icon };
  const side = Math.max(width, height);
  return { body, square: { x: left - (side - width) / 2, y: top - (side - height) / 2, side } };
}

/** A drawing as an SVG of so many pixels that shows a part of it. */
export function svg({ body }, view, pixels) {
  const link = body.includes('xlink:') ? ' xmlns:xlink="http://www.w3.org/1999/xlink"' : '';
  return `<svg xmlns="http://www.w3.org/2000/svg"${link} width="${pixels}" height="${pixels}" viewBox="${view}">`
    + `${body.replaceAll('currentColor', '#222')}</svg>`;
}

/** A drawing without what is empty around it, as sharp gives it: {data: PNG, info}, of a square of 256 pixels. */
export async function trimmed(sharp, icon) {
  const { x, y, side } = icon.square;
  const whole = await sharp(Buffer.from(svg(icon, `${x} ${y} ${side} ${side}`, 256))).ensureAlpha().png().toBuffer();
  return sharp(whole).trim({ background: { r: 0, g: 0, b: 0, alpha: 0 }, threshold: 4 }).png().toBuffer({ resolveWithObject: true });
}
