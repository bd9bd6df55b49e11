/** Credentials for AWS and what speaks like it, as options. */
export const CREDENTIAL_FIELDS = {
  accessKeyId: { kind: "string", required: true, doc: "The key's id." },
  secretAccessKey: { kind: "secret", required: true, doc: "The key." },
  sessionToken: { kind: "secret", doc: "Of temporary credentials." },
} as const;
