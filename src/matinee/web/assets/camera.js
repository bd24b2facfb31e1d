// A photograph by the camera of this device.

const REFUSED = {
  NotAllowedError: "The camera may not be used. Allow it in the browser's address bar, or choose a picture.",
  NotFoundError: "No camera was found. Choose a picture in place of a photograph.",
  NotReadableError: "The camera is in use elsewhere. Close the other program and try again.",
};

/** Whether pictures can be taken within the page; browsers allow it in secure contexts only. */
export const hasCamera = () => Boolean(navigator.mediaDevices?.getUserMedia);

export class Camera {
  constructor(video) {
    this.video = video;
    this.stream = null;
  }

  /** Show the camera's picture. Throws an Error with a sentence for the visitor. */
  async start() {
    this.stop();
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      throw new Error(REFUSED[error.name] ?? "The camera cannot be used. Choose a picture in place of a photograph.");
    }
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  /** The current picture as a file. */
  async take() {
    const canvas = document.createElement("canvas");
    canvas.width = this.video.videoWidth;
    canvas.height = this.video.videoHeight;
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
    return new File([blob], "photograph.jpg", { type: "image/jpeg" });
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }
}
