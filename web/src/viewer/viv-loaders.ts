// Stands in for @vivjs/loaders (see vite.config.ts): Viv's layers take these three things from it, and the
// original would bring readers of TIFF and Zarr that this page does not use.
export const SIGNAL_ABORTED = '__vivSignalAborted';

// The hub sends one channel after the other, whatever the file has; Viv would take any image that is three
// or four pixels wide for an interleaved one.
export const isInterleaved = () => false;

export function getImageSize(source: { shape: number[] }): { height: number; width: number } {
  const [height, width] = source.shape.slice(-2);
  return { height: height!, width: width! };
}
