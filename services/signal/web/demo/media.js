// One camera and microphone, shared by every call and closed after the last one.

let users = 0;
let opening = null;

/** { stream, note }: stream is null when there is nothing to send; note says why. */
export function acquire() {
  users += 1;
  opening ??= open();
  return opening;
}

export function release() {
  if (users === 0) return;
  users -= 1;
  if (users > 0) return;
  opening?.then(({ stream }) => stop(stream));
  opening = null;
}

function stop(stream) {
  stream?.getTracks().forEach((track) => track.stop());
}

async function open() {
  if (!navigator.mediaDevices?.getUserMedia) {
    return { stream: null, note: 'Receive only: browsers open a camera on https:// pages alone.' };
  }
  const video = { width: { ideal: 1280 }, height: { ideal: 720 } };
  try {
    return { stream: await navigator.mediaDevices.getUserMedia({ video, audio: true }), note: '' };
  } catch (error) {
    if (error.name === 'NotAllowedError') return { stream: null, note: inWords(error) };
    return openPart(video, inWords(error));
  }
}

/** Half a set is better than none: a camera without sound, or sound alone. */
async function openPart(video, why) {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    return { stream, note: 'No camera could be opened: you send sound only.' };
  } catch { /* no microphone either */ }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video });
    return { stream, note: 'No microphone could be opened: you send a picture without sound.' };
  } catch {
    return { stream: null, note: why };
  }
}

function inWords({ name }) {
  const reasons = {
    NotAllowedError: 'camera access was refused',
    NotFoundError: 'no camera was found',
    NotReadableError: 'the camera is in use by another program',
    OverconstrainedError: 'no camera fits',
  };
  return `Receive only: ${reasons[name] ?? 'the camera could not be opened'}.`;
}
