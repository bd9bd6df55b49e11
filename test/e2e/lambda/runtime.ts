/**
 * The part of Lambda's managed Node runtime: loads the handler that `_HANDLER` names from `LAMBDA_TASK_ROOT`, fetches
 * invocations from the runtime API and brings it what came of them (docs.aws.amazon.com, "Using the Lambda runtime API").
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";

type Handler = (payload: unknown, context: object) => Promise<unknown>;

const { AWS_LAMBDA_RUNTIME_API, _HANDLER = "", LAMBDA_TASK_ROOT = "", AWS_LAMBDA_FUNCTION_NAME } = process.env;
const api = `http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;

const handler = await load();
for (;;) await serveNext(handler);

async function load(): Promise<Handler> {
  const [module, name = ""] = _HANDLER.split(".");
  try {
    const exported = (await import(pathToFileURL(join(LAMBDA_TASK_ROOT, `${module}.mjs`)).href)) as Record<
      string,
      Handler
    >;
    const found = exported[name];
    if (found === undefined) throw new Error(`${_HANDLER} is undefined or not exported`);
    return found;
  } catch (error) {
    await post("init/error", error);
    process.exit(1);
  }
}

async function serveNext(handle: Handler): Promise<void> {
  const next = await fetch(`${api}/invocation/next`);
  const awsRequestId = next.headers.get("lambda-runtime-aws-request-id") ?? "";
  const deadlineMs = Number(next.headers.get("lambda-runtime-deadline-ms"));
  const context = {
    awsRequestId,
    functionName: AWS_LAMBDA_FUNCTION_NAME,
    getRemainingTimeInMillis: () => deadlineMs - Date.now(),
  };
  try {
    const result = await handle(JSON.parse(await next.text()), context);
    const body = JSON.stringify(result === undefined ? null : result);
    await fetch(`${api}/invocation/${awsRequestId}/response`, { method: "POST", body });
  } catch (error) {
    await post(`invocation/${awsRequestId}/error`, error);
  }
}

async function post(path: string, error: unknown): Promise<void> {
  const { name, message, stack } = error as Error;
  const body = JSON.stringify({ errorType: name, errorMessage: message, stackTrace: stack?.split("\n") });
  await fetch(`${api}/${path}`, { method: "POST", body, headers: { "lambda-runtime-function-error-type": name } });
}
