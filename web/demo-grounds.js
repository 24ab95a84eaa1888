// Draws the backgrounds of the sticker world and the stickers on them, with the look of train/stickers/grounds.py.
import { between, landscapes, numbers } from './demo-scene.js';

export const colours = {
  white: [247, 247, 247], grey: [138, 138, 138], black: [22, 22, 22], red: [206, 44, 44], orange: [243, 146, 36],
  yellow: [245, 216, 60], green: [62, 160, 74], blue: [56, 108, 214], purple: [132, 64, 172], pink: [244, 158, 196],
  brown: [122, 80, 46],
};

const clip = (value, low, high) => Math.min(Math.max(value, low), high);
const contrast = 39; // between the two tones of a pattern
const trained = 128; // the side, in pixels, to which widths in pixels refer

// Each gives how far the pixel at (x, y), in 0 to 1, leans to the second tone.
const fields = {
  plain: () => () => 0,
  shaded(random) {
    const angle = 2 * Math.PI * random();
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const least = Math.min(c, 0) + Math.min(s, 0);
    return (x, y) => (1.5 * (x * c + y * s - least)) / (Math.abs(c) + Math.abs(s));
  },
  striped(random, side) {
    const period = between(random, [0.09, 0.16]);
    const angle = (Math.floor(4 * random()) / 4) * Math.PI;
    const [c, s, phase] = [Math.cos(angle) / period, Math.sin(angle) / period, random()];
    return (x, y) => clip(0.5 + (Math.sin(2 * Math.PI * (x * c + y * s + phase)) * period * side) / 3, 0, 1);
  },
  checked(random) {
    const [period, left, top] = [between(random, [0.09, 0.16]), random(), random()];
    return (x, y) => (Math.floor(x / period + left) + Math.floor(y / period + top)) % 2;
  },
  dotted(random, side) {
    const [period, left, top] = [between(random, [0.09, 0.16]), random(), random()];
    const off = (value) => Math.abs((value % 1) - 0.5);
    return (x, y) => clip((0.29 - Math.hypot(off(x / period + left), off(y / period + top))) * period * side + 0.5, 0, 1);
  },
};

function drawPattern(context, { kind, colour }, side, random) {
  const base = colours[colour];
  const strength = (base[0] + base[1] + base[2]) / 3 < 100 ? contrast : -contrast;
  const lean = fields[kind](random, side);
  const pixels = context.createImageData(side, side);
  for (let y = 0, at = 0; y < side; y++) {
    for (let x = 0; x < side; x++, at += 4) {
      const tone = strength * lean((x + 0.5) / side, (y + 0.5) / side);
      for (let i = 0; i < 3; i++) pixels.data[at + i] = base[i] + tone;
      pixels.data[at + 3] = 255;
    }
  }
  context.putImageData(pixels, 0, 0);
}

const rgb = (tone) => `rgb(${tone.map(Math.round).join(' ')})`;
const sky = [[120, 178, 238], [206, 230, 250]];

// What lies below the horizon, and above it where that is not the sky.
const lands = {
  'in a meadow': { below: [[132, 190, 78], [84, 150, 56]], hills: 2 },
  'on a beach': { below: [[238, 218, 160], [224, 196, 128]], sea: [[60, 140, 206], [84, 172, 220]] },
  'in a desert': { below: [[232, 180, 100], [206, 144, 70]], above: [[250, 206, 140], [252, 232, 190]], hills: 2 },
  'in the snow': { below: [[238, 242, 250], [216, 226, 242]], above: [[176, 192, 214], [222, 230, 240]], hills: 2 },
  'on the sea': { below: [[40, 110, 190], [18, 70, 140]], waves: 16 },
  'in the mountains': { below: [[116, 128, 112], [90, 104, 88]], mountains: 4 },
  'on a road': { below: [[104, 150, 80], [84, 130, 66]], road: true },
  'under a night sky': { below: [[16, 30, 30], [10, 20, 20]], above: [[10, 12, 44], [36, 40, 92]], stars: 26 },
};

function drawLandscape(context, { kind }, side, random) {
  const land = lands[kind];
  const horizon = land.stars ? 0.85 : between(random, [0.38, 0.58]);
  const unit = side / trained;

  const band = (top, bottom, [from, to]) => {
    const shade = context.createLinearGradient(0, top * side, 0, bottom * side);
    shade.addColorStop(0, rgb(from));
    shade.addColorStop(1, rgb(to));
    context.fillStyle = shade;
    context.fillRect(0, Math.round(top * side), side, Math.round(bottom * side));
  };
  const shape = (tone, ...corners) => {
    context.fillStyle = rgb(tone);
    context.beginPath();
    for (const [x, y] of corners) context.lineTo(x * side, y * side);
    context.fill();
  };
  const hill = (height, tone) => {
    const [x, wide, top] = [between(random, [-0.1, 1.1]), between(random, [0.25, 0.5]), horizon - height];
    shape(tone, [x - wide, horizon], [x, top], [x + wide, horizon]);
    return { x, wide, top };
  };

  const shore = land.sea ? horizon - 0.14 : horizon;
  band(0, shore, land.above ?? sky);
  if (land.sea) band(shore, horizon, land.sea);
  band(horizon, 1, land.below);

  for (let i = 0; i < (land.stars ?? 0); i++) {
    context.fillStyle = rgb([240, 240, 210]);
    context.beginPath();
    context.arc(random() * side, random() * 0.82 * side, between(random, [0.3, 1.2]) * unit, 0, 2 * Math.PI);
    context.fill();
  }
  for (let i = 0; i < (land.hills ?? 0); i++) hill(between(random, [0.05, 0.14]), land.below[0].map((value) => 0.86 * value));
  for (let i = 0; i < (land.mountains ?? 0); i++) {
    const { x, wide, top } = hill(between(random, [0.15, 0.34]), [between(random, [103, 121]), 116, 128]);
    const snow = top + 0.25 * (horizon - top);
    shape([246, 248, 252], [x - 0.25 * wide, snow], [x, top], [x + 0.25 * wide, snow]);
  }
  for (let i = 0; i < (land.waves ?? 0); i++) {
    const [x, y] = [random() * side, between(random, [horizon * side + 3 * unit, side])];
    context.strokeStyle = rgb([150, 200, 236]);
    context.lineWidth = unit;
    context.beginPath();
    context.ellipse(x, y + unit / 2, 5 * unit, 2.5 * unit, 0, (200 / 180) * Math.PI, (340 / 180) * Math.PI);
    context.stroke();
  }
  if (land.road) drawRoad(shape, horizon, between(random, [0.35, 0.65]));
}

function drawRoad(shape, horizon, end) {
  const pixel = 1 / trained;
  shape([84, 84, 90], [end - 4 * pixel, horizon], [end + 4 * pixel, horizon], [0.95, 1], [0.05, 1]);
  for (const near of [0.12, 0.35, 0.66]) {
    const [x, y] = [end + (0.5 - end) * near, horizon + (1 - horizon) * near];
    const [wide, bottom] = [(1 + 3 * near) * pixel, y + 9 * (near + 0.3) * pixel];
    shape([236, 232, 200], [x - wide, y], [x + wide, y], [x + 1.3 * wide, bottom], [x - 1.3 * wide, bottom]);
  }
}

export function drawGround(context, ground, side) {
  const draw = landscapes.includes(ground.kind) ? drawLandscape : drawPattern;
  draw(context, ground, side, numbers(ground.seed));
}

// drawScene draws all of it; drawing gives the picture of a sticker.
export function drawScene(context, { ground, stickers }, side, drawing) {
  drawGround(context, ground, side);
  for (const sticker of stickers) {
    const pixels = sticker.size * side;
    context.save();
    context.translate(sticker.x * side, sticker.y * side);
    context.rotate(sticker.turn);
    context.drawImage(drawing(sticker), -pixels / 2, -pixels / 2, pixels, pixels);
    context.restore();
  }
}
