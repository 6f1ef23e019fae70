// Compares imgop with zarrita on OME-Zarr 0.5, in both directions, and what the browser hub shows to Zarr clients.
//
//     node compare_zarrita.mjs IMGOP HUB_VIEW
//
// What zarrita writes, imgop converts to OME-Zarr 0.5; zarrita reads the result; all voxels must be equal, in the same type. zarrita cannot write shards: they are written here, and zarrita reads them before imgop does. Prints a line
// for each image that differs, and how many were compared; exit code 1 if one differs.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import FileSystemStore from "@zarrita/storage/fs";
import * as zarr from "zarrita";

const imgop = process.argv[2];
const hubView = process.argv[3];
const arrays = {
  uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array, uint32: Uint32Array, int32: Int32Array,
  uint64: BigUint64Array, int64: BigInt64Array, float32: Float32Array, float64: Float64Array,
};
const shape = [5, 23, 31];
const strides = [23 * 31, 31, 1];
const folder = mkdtempSync(join(tmpdir(), "compare-zarrita-"));
const differences = [];
let compared = 0;

// Numbers that use all bits of the type, and are finite.
function numbers(dtype) {
  const values = new arrays[dtype](shape[0] * strides[0]);
  let state = 7n;
  for (let i = 0; i < values.length; ++i) {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    const mixed = state ^ (state >> 29n);
    if (dtype.startsWith("float")) values[i] = Number(BigInt.asIntN(20, mixed)) / 8;
    else if (dtype.endsWith("64")) values[i] = mixed;
    else values[i] = Number(BigInt.asIntN(32, mixed));
  }
  return values;
}

function equal(a, b) {
  return a.constructor === b.constructor && a.length === b.length &&
    Buffer.compare(Buffer.from(a.buffer, a.byteOffset, a.byteLength), Buffer.from(b.buffer, b.byteOffset, b.byteLength)) === 0;
}

async function read(path) {
  const array = await zarr.open.v3(zarr.root(new FileSystemStore(path)).resolve("0"), { kind: "array" });
  return (await zarr.get(array)).data;
}

async function check(name, path, expected) {
  const out = join(folder, "out.ome.zarr");
  rmSync(out, { recursive: true, force: true });
  ++compared;
  try {
    execFileSync(imgop, ["convert", "--in", path, "--out", out, "--version", "0.5"], { stdio: ["ignore", "ignore", "pipe"] });
    if (!equal(await read(out), expected)) differences.push(`${name}: other voxels`);
  } catch (error) {
    differences.push(`${name}: ${error.stderr?.toString().trim() || error}`);
  }
}

// What zarrita writes, and reads again from the hub's view with its five axes.
async function checkView(name, file, expected) {
  const out = join(folder, "view");
  rmSync(out, { recursive: true, force: true });
  ++compared;
  try {
    execFileSync(hubView, [folder, `/${file}`, "v3", out], { stdio: ["ignore", "ignore", "pipe"] });
    const group = await zarr.open.v3(zarr.root(new FileSystemStore(out)), { kind: "group" });
    const { path } = group.attrs.ome.multiscales[0].datasets[0];
    const array = await zarr.open.v3(group.resolve(path), { kind: "array" });
    if (array.shape.join() !== [1, 1, ...shape].join()) differences.push(`${name}: shape ${array.shape}`);
    else if (!equal((await zarr.get(array)).data, expected)) differences.push(`${name}: other voxels`);
  } catch (error) {
    differences.push(`${name}: ${error.stderr?.toString().trim() || error}`);
  }
}

function group(name) {
  const path = join(folder, name);
  rmSync(path, { recursive: true, force: true });
  const axes = ["z", "y", "x"].map((axis) => ({ name: axis, type: "space", unit: "micrometer" }));
  const datasets = [{ path: "0", coordinateTransformations: [{ type: "scale", scale: [2, 0.5, 0.25] }] }];
  const attributes = { ome: { version: "0.5", multiscales: [{ axes, datasets }] } };
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "zarr.json"), JSON.stringify({ zarr_format: 3, node_type: "group", attributes }));
  return path;
}

async function writtenByZarrita(dtype, codecs) {
  const path = group("in.ome.zarr");
  const data = numbers(dtype);
  const array = await zarr.create(zarr.root(new FileSystemStore(path)).resolve("0"), {
    shape, dtype, codecs, chunkShape: [2, 8, 16], fillValue: 0,
    dimensionNames: ["z", "y", "x"],
  });
  await zarr.set(array, null, { data, shape, stride: strides });
  return [path, data];
}

function crc32c(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; ++bit) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  }
  const out = Buffer.alloc(4);
  out.writeUInt32LE((sum ^ 0xffffffff) >>> 0);
  return out;
}

// The places in a grid of `counts`, slowest first.
function* places([z, y, x]) {
  for (let i = 0; i < z; ++i) for (let j = 0; j < y; ++j) for (let k = 0; k < x; ++k) yield [i, j, k];
}

// Shards of 4 x 16 x 32 with chunks of 2 x 8 x 16. The second chunk of each shard is not stored, so its voxels are 0.
function writtenInShards(dtype, compress, checksum, indexAtStart) {
  const path = group("in.ome.zarr");
  const data = numbers(dtype);
  const shard = [4, 16, 32], chunk = [2, 8, 16], inShard = [2, 2, 2];
  const codecs = [{ name: "bytes", configuration: { endian: "little" } }];
  if (compress) codecs.push({ name: "gzip", configuration: { level: 5 } });
  if (checksum) codecs.push({ name: "crc32c" });
  const metadata = {
    zarr_format: 3, node_type: "array", shape, data_type: dtype, fill_value: 0, attributes: {}, dimension_names: ["z", "y", "x"],
    chunk_grid: { name: "regular", configuration: { chunk_shape: shard } },
    chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
    codecs: [{
      name: "sharding_indexed",
      configuration: {
        chunk_shape: chunk, codecs, index_location: indexAtStart ? "start" : "end",
        index_codecs: [{ name: "bytes", configuration: { endian: "little" } }, { name: "crc32c" }],
      },
    }],
  };
  mkdirSync(join(path, "0"), { recursive: true });
  writeFileSync(join(path, "0", "zarr.json"), JSON.stringify(metadata));
  for (const at of places([2, 2, 1])) {
    const index = Buffer.alloc(8 * 16, 0xff);
    const indexBytes = index.length + 4;
    const parts = [];
    let end = indexAtStart ? indexBytes : 0, number = 0;
    for (const inner of places(inShard)) {
      const begin = at.map((value, axis) => value * shard[axis] + inner[axis] * chunk[axis]);
      const voxels = new arrays[dtype](chunk[0] * chunk[1] * chunk[2]);
      let target = 0;
      for (const voxel of places(chunk)) {
        const where = voxel.map((value, axis) => begin[axis] + value);
        if (where.every((value, axis) => value < shape[axis])) {
          const source = where.reduce((sum, value, axis) => sum + value * strides[axis], 0);
          if (number === 1) data[source] = dtype.endsWith("64") && dtype[0] !== "f" ? 0n : 0;
          voxels[target] = data[source];
        }
        ++target;
      }
      if (number !== 1) {
        let bytes = Buffer.from(voxels.buffer);
        if (compress) bytes = gzipSync(bytes);
        if (checksum) bytes = Buffer.concat([bytes, crc32c(bytes)]);
        index.writeBigUInt64LE(BigInt(end), number * 16);
        index.writeBigUInt64LE(BigInt(bytes.length), number * 16 + 8);
        parts.push(bytes);
        end += bytes.length;
      }
      ++number;
    }
    const wholeIndex = Buffer.concat([index, crc32c(index)]);
    const file = join(path, "0", "c", ...at.map(String));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, Buffer.concat(indexAtStart ? [wholeIndex, ...parts] : [...parts, wholeIndex]));
  }
  return [path, data];
}

async function main() {
  const bytes = (endian) => ({ name: "bytes", configuration: { endian } });
  const pipelines = {
    plain: [bytes("little")],
    "big-endian": [bytes("big")],
    zstd: [bytes("little"), { name: "zstd", configuration: { level: 3, checksum: false } }],
    blosc: [bytes("little"), { name: "blosc", configuration: { cname: "lz4", clevel: 5, shuffle: 1, typesize: 2, blocksize: 0 } }],
    transposed: [{ name: "transpose", configuration: { order: [2, 0, 1] } }, bytes("little")],
  };
  for (const dtype of Object.keys(arrays)) {
    for (const [name, codecs] of Object.entries(pipelines)) {
      const [path, data] = await writtenByZarrita(dtype, codecs);
      await check(`zarrita ${dtype} ${name}`, path, data);
      if (name === "plain") await checkView(`view ${dtype}`, "in.ome.zarr", data);
    }
    for (const [compress, checksum, indexAtStart] of [[false, false, false], [true, false, false], [true, true, false], [true, true, true]]) {
      const name = `shards ${dtype}${compress ? " gzip" : ""}${checksum ? " crc32c" : ""}${indexAtStart ? " index at the start" : ""}`;
      const [path, data] = writtenInShards(dtype, compress, checksum, indexAtStart);
      // zarrita looks for the index only at the end.
      if (!indexAtStart && !equal(await read(path), data)) differences.push(`${name}: zarrita reads other voxels`);
      await check(name, path, data);
    }
  }
  for (const line of differences) console.log(line);
  console.log(`${compared} images compared, ${differences.length} differ`);
  process.exitCode = differences.length > 0 ? 1 : 0;
}

try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
