// What a peer may make us hold or do. Each limit names the attack it stops; the defaults leave an Envoy at full speed
// far below every one of them.

export type Http2Limits = {
  /**
   * SETTINGS_MAX_CONCURRENT_STREAMS. Envoy asks for up to 1,024 (facts 20.1) and opens a connection more above that.
   * Without it one connection could open a stream per 9 bytes.
   */
  concurrentStreams: number;
  /** SETTINGS_MAX_HEADER_LIST_SIZE: more is answered 431. HPACK bomb (CVE-2016-6581): few bytes that expand to many. */
  headerListBytes: number;
  /** A header block as it comes; compressed, so no honest one is larger than its list. CONTINUATION flood (CVE-2024-27316). */
  headerBlockBytes: number;
  /** CONTINUATION frames in one block: the flood again, with frames of no bytes. */
  continuations: number;
  /** SETTINGS_INITIAL_WINDOW_SIZE: what one stream may send before we must take it. */
  streamWindowBytes: number;
  /**
   * The connection's window: HTTP/2's 64 KiB would queue the bodies of all exchanges of an Envoy worker behind each
   * other. It is also what a slow server may pile up.
   */
  connectionWindowBytes: number;
  /**
   * Frames that carry nothing forward: SETTINGS, PING, PRIORITY, empty DATA, WINDOW_UPDATE, RST_STREAM of closed streams,
   * unknown types (CVE-2019-9512, -9515, -9518). Each costs one of these; they come back per second, and several with
   * every stream that does work and every DATA frame with content.
   */
  idleFrames: number;
  idleFramesPerSecond: number;
  /**
   * Streams that were reset before they did any work: by the peer (rapid reset, CVE-2023-44487), or by us because the
   * peer broke the protocol on them (made you reset, CVE-2025-8671). One reset after an answer or a message is how
   * Envoy ends every call (facts 0.1) and costs nothing here, at any rate.
   */
  fruitlessResets: number;
  fruitlessResetsPerSecond: number;
  /** Frames ready to go that the socket does not take: above this we stop reading, so nobody makes us pile up answers. */
  unreadBytes: number;
  /** Answers that wait for WINDOW_UPDATE, per connection: slow readers (CVE-2019-9511, -9517). Four of the largest bodies. */
  queuedBytes: number;
  /** Until the preface and SETTINGS must be here: half-open connections (slowloris). */
  prefaceTimeoutMs: number;
  /** Silence after which we ask with PING whether the peer is still there. */
  keepaliveMs: number;
  /** Until the answer to that PING, or any progress of a stuck write, must be here; then the connection is gone. */
  keepaliveTimeoutMs: number;
};

export const DEFAULT_LIMITS: Http2Limits = {
  concurrentStreams: 2048,
  headerListBytes: 32 * 1024,
  headerBlockBytes: 32 * 1024,
  continuations: 16,
  streamWindowBytes: 1024 * 1024,
  connectionWindowBytes: 16 * 1024 * 1024,
  idleFrames: 10_000,
  idleFramesPerSecond: 1000,
  fruitlessResets: 1000,
  fruitlessResetsPerSecond: 100,
  unreadBytes: 1024 * 1024,
  queuedBytes: 64 * 1024 * 1024,
  prefaceTimeoutMs: 10_000,
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 20_000,
};
