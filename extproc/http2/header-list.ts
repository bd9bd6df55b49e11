// A decoded header section. The decoder may hand out the same list for many requests: nobody changes one.

export class HeaderList {
  /** name, value, name, value… in order; latin1, one char per byte. */
  readonly fields: readonly string[];
  /** More than SETTINGS_MAX_HEADER_LIST_SIZE: `fields` holds only what came before the limit. */
  readonly tooLarge: boolean;
  /** What `checkRequest` found, kept because a list serves many requests; undefined: not looked at yet. */
  check: RequestCheck | undefined = undefined;

  constructor(fields: readonly string[], tooLarge: boolean) {
    this.fields = fields;
    this.tooLarge = tooLarge;
  }

  /** The value of the first header of that lower-case name. */
  value(name: string): string | undefined {
    const fields = this.fields;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
    return undefined;
  }
}

export type RequestCheck = {
  malformed: boolean;
  /** -1: the request does not say */
  contentLength: number;
};
