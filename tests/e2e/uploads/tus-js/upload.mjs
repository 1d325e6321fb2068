// Uploads one file with tus-js-client, or goes on where an earlier process was stopped. Prints what happens.
// The token comes in through the environment, where no list of processes shows it.

import { createReadStream } from "node:fs";
import { FileUrlStorage, Upload } from "tus-js-client";

const [endpoint, file, remembered, call] = process.argv.slice(2);
const say = (what, value) => process.stdout.write(`${what} ${value}\n`);

const upload = new Upload(createReadStream(file), {
  endpoint,
  urlStorage: new FileUrlStorage(remembered),
  headers: { Authorization: `Bearer ${process.env.CALLWARD_TOKEN}` },
  metadata: { call, filetype: "audio/wav", filename: "call.wav" },
  retryDelays: null,
  onUploadUrlAvailable: () => say("url", upload.url),
  onAfterResponse: (request, response) => say(request.getMethod(), response.getStatus()),
  onSuccess: () => say("done", upload.url),
  onError: (error) => {
    say("error", error.message.replaceAll("\n", " "));
    process.exitCode = 1;
  },
});

const [previous] = await upload.findPreviousUploads();
if (previous) {
  say("resumes", previous.uploadUrl);
  upload.resumeFromPreviousUpload(previous);
}
upload.start();
