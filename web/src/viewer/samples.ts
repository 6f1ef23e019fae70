// Samples as the hub sends them (little-endian, like every machine with a browser) to arrays that WebGL takes.
export type Samples = Uint8Array | Uint16Array | Uint32Array | Int8Array | Int16Array | Int32Array | Float32Array;

export interface Reader {
  dtype: string; // Viv's name of what it makes
  bytes: number; // of one sample on the wire
  samples(buffer: ArrayBuffer, at: number, count: number): Samples;
}

type Wire = new (buffer: ArrayBuffer, at: number, count: number) => Samples;

// A view needs an aligned start; later channels of an odd tile have none.
function plain(dtype: string, bytes: number, type: Wire): Reader {
  return {
    dtype, bytes,
    samples: (buffer, at, count) => (at % bytes === 0 ? new type(buffer, at, count) : new type(buffer.slice(at, at + count * bytes), 0, count)),
  };
}

// Textures have no 64-bit samples.
function narrowed(type: typeof Float64Array | typeof BigInt64Array | typeof BigUint64Array): Reader {
  return {
    dtype: 'Float32', bytes: 8,
    samples: (buffer, at, count) => {
      const wide = new type(buffer.slice(at, at + 8 * count));
      const out = new Float32Array(count);
      for (let i = 0; i < count; i++) out[i] = Number(wide[i]);
      return out;
    },
  };
}

const kReaders: Record<string, Reader> = {
  bool: plain('Uint8', 1, Uint8Array),
  uint8: plain('Uint8', 1, Uint8Array),
  uint16: plain('Uint16', 2, Uint16Array),
  uint32: plain('Uint32', 4, Uint32Array),
  int8: plain('Int8', 1, Int8Array),
  int16: plain('Int16', 2, Int16Array),
  int32: plain('Int32', 4, Int32Array),
  float32: plain('Float32', 4, Float32Array),
  float64: narrowed(Float64Array),
  int64: narrowed(BigInt64Array),
  uint64: narrowed(BigUint64Array),
};

export function reader(type: string): Reader {
  const found = kReaders[type];
  if (!found) throw new Error(`images of type ${type} cannot be shown: convert it to uint16 or float32`);
  return found;
}
