/**
 * Content codings (RFC 9110 section 8.4.1): a coded body is decoded for the pipelines and what they changed coded again.
 *
 * Small bodies are coded at once, larger ones on zlib's threads, so that one message never holds up the others for more
 * than a few milliseconds. What is decoded is bounded while it grows: a bomb costs its bound and no more.
 */
import { promisify } from "node:util";
import {
  type BrotliOptions,
  brotliCompress,
  brotliCompressSync,
  brotliDecompress,
  brotliDecompressSync,
  constants,
  deflate,
  deflateSync,
  gunzip,
  gunzipSync,
  gzip,
  gzipSync,
  inflate,
  inflateSync,
  type ZlibOptions,
  type ZstdOptions,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
} from "node:zlib";

export type Coding = "gzip" | "deflate" | "br" | "zstd";

/**
 * The coding of a content-encoding header's value: "identity" for none, undefined for one we do not know or several at
 * once.
 */
export function codingOf(contentEncoding: string | undefined): Coding | "identity" | undefined {
  const name = (contentEncoding ?? "").trim().toLowerCase();
  if (name === "" || name === "identity") return "identity";
  if (name === "x-gzip") return "gzip"; // RFC 9110 section 8.4.1.3
  return name === "gzip" || name === "deflate" || name === "br" || name === "zstd" ? name : undefined;
}

type Options = ZlibOptions & BrotliOptions & ZstdOptions;
type Codec = {
  decodeSync(bytes: Uint8Array, options: Options): Uint8Array;
  decode(bytes: Uint8Array, options: Options): Promise<Uint8Array>;
  encodeSync(bytes: Uint8Array, options: Options): Uint8Array;
  encode(bytes: Uint8Array, options: Options): Promise<Uint8Array>;
  decoding: Options;
  encoding: Options;
};

// The levels are those at which a proxy keeps up (engine.md, "Coding and validators"): zlib's 6, brotli 4 of 11, zstd 3.
const CODECS: { readonly [coding in Coding]: Codec } = {
  gzip: {
    decodeSync: gunzipSync,
    decode: promisify<Uint8Array, Options, Uint8Array>(gunzip),
    encodeSync: gzipSync,
    encode: promisify<Uint8Array, Options, Uint8Array>(gzip),
    decoding: {},
    encoding: { level: 6 },
  },
  // "deflate" is zlib's format (RFC 9110 section 8.4.1.2); bare deflate data, which some send, is not taken.
  deflate: {
    decodeSync: inflateSync,
    decode: promisify<Uint8Array, Options, Uint8Array>(inflate),
    encodeSync: deflateSync,
    encode: promisify<Uint8Array, Options, Uint8Array>(deflate),
    decoding: {},
    encoding: { level: 6 },
  },
  br: {
    decodeSync: brotliDecompressSync,
    decode: promisify<Uint8Array, Options, Uint8Array>(brotliDecompress),
    encodeSync: brotliCompressSync,
    encode: promisify<Uint8Array, Options, Uint8Array>(brotliCompress),
    decoding: {},
    encoding: { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } },
  },
  zstd: {
    decodeSync: zstdDecompressSync,
    decode: promisify<Uint8Array, Options, Uint8Array>(zstdDecompress),
    encodeSync: zstdCompressSync,
    encode: promisify<Uint8Array, Options, Uint8Array>(zstdCompress),
    // A frame names the window its reader has to hold: 8 MiB at most in HTTP (RFC 9659), or one header costs 128 MiB.
    decoding: { params: { [constants.ZSTD_d_windowLogMax]: 23 } },
    encoding: { params: { [constants.ZSTD_c_compressionLevel]: 3 } },
  },
};

/** Bodies up to this are coded at once: some 2 ms at most. */
const SYNC_BYTES = 65_536;
/** So much of a small body's content is decoded at once; one that unfolds to more starts anew on a thread. */
const SYNC_DECODED_BYTES = 524_288;
/** zlib's default of 16 KiB makes 500 rounds through the thread pool of 8 MiB. */
const ASYNC_CHUNK_BYTES = 262_144;

/** Why a coded body has no content for us; each is a fault reason of http.md. */
export type CodingFault = "unparsable" | "tooLarge";

/**
 * The content of a coded body, at most `bytesMax` of it. A body that is cut short, broken, or goes on behind the end of
 * its coding (a second gzip member included: readers differ on whether it counts) is unparsable.
 */
export function decodeBody(
  coding: Coding,
  bytes: Uint8Array,
  bytesMax: number,
): Uint8Array | CodingFault | Promise<Uint8Array | CodingFault> {
  if (bytes.length > SYNC_BYTES) return decodeOnThread(coding, bytes, bytesMax);
  const codec = CODECS[coding];
  try {
    return codec.decodeSync(bytes, decodeOptions(codec, Math.min(bytesMax, SYNC_DECODED_BYTES)));
  } catch (error) {
    const reason = faultOf(error);
    return reason === "tooLarge" && bytesMax > SYNC_DECODED_BYTES ? decodeOnThread(coding, bytes, bytesMax) : reason;
  }
}

function decodeOnThread(coding: Coding, bytes: Uint8Array, bytesMax: number): Promise<Uint8Array | CodingFault> {
  const codec = CODECS[coding];
  const options = { ...decodeOptions(codec, bytesMax), chunkSize: ASYNC_CHUNK_BYTES };
  return codec.decode(bytes, options).catch(faultOf);
}

function decodeOptions(codec: Codec, bytesMax: number): Options {
  return { ...codec.decoding, maxOutputLength: bytesMax, rejectGarbageAfterEnd: true };
}

// zlib's own errors (Z_DATA_ERROR, ERR__ERROR_FORMAT_…, ZSTD_error_…) are many, and all say that the bytes are wrong.
function faultOf(error: unknown): CodingFault {
  return (error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE" ? "tooLarge" : "unparsable";
}

/** The body coded again. */
export function encodeBody(coding: Coding, content: Uint8Array): Uint8Array | Promise<Uint8Array> {
  const codec = CODECS[coding];
  if (content.length <= SYNC_BYTES) return codec.encodeSync(content, codec.encoding);
  return codec.encode(content, { ...codec.encoding, chunkSize: ASYNC_CHUNK_BYTES });
}
