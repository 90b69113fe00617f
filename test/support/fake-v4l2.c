// Preloaded into a process, makes /dev/video-fake a camera: the file is a memory file that holds the buffers, and the
// requests on it are answered here. Frame n is grey of luma 16 + n (YUYV), the bytes n, n+1, n+2 (RGB3), or the file
// FAKE_JPEG (MJPG).
// FAKE_FORMAT: the format offered. FAKE_FRAMES: after so many frames the camera is unplugged (once). FAKE_STALL: no frames.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 64, HEIGHT = 48, PADDING = 32, BUFFERS = 3 };
static int device = -1, unplugged, frames, queue[BUFFERS], queued;
static volatile int streaming;
static unsigned format;
static unsigned char *memory;

static unsigned stride(void) { return WIDTH * (format == V4L2_PIX_FMT_RGB24 ? 3 : 2) + PADDING; }
static unsigned size(void) { return 16384; }
static int fail(int code) { errno = code; return -1; }

static int open_device(void) {
  const char *name = getenv("FAKE_FORMAT");
  format = name ? v4l2_fourcc(name[0], name[1], name[2], name[3]) : V4L2_PIX_FMT_YUYV;
  device = memfd_create("video-fake", 0);
  if (ftruncate(device, BUFFERS * size()) != 0) return -1;
  memory = mmap(0, BUFFERS * size(), PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
  streaming = queued = 0;
  return device;
}

int open(const char *path, int flags, ...) {
  static int (*real)(const char *, int, ...);
  if (!real) real = dlsym(RTLD_NEXT, "open");
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  return strcmp(path, "/dev/video-fake") == 0 ? open_device() : real(path, flags, mode);
}

int close(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "close");
  if (fd == device) device = -1;
  return real(fd);
}

static unsigned draw_jpeg(int index) {
  int file = open(getenv("FAKE_JPEG"), O_RDONLY);
  int bytes = read(file, memory + index * size(), size());
  close(file);
  return bytes;
}

static void draw(int index, int n) {
  unsigned char *row = memory + index * size();
  for (int y = 0; y < HEIGHT; y++, row += stride())
    for (int x = 0; x < WIDTH; x++) {
      if (format == V4L2_PIX_FMT_RGB24) {
        row[3 * x] = n; row[3 * x + 1] = n + 1; row[3 * x + 2] = n + 2;
      } else {
        row[2 * x] = 16 + n % 200; row[2 * x + 1] = 128;
      }
    }
}

static int dequeue(struct v4l2_buffer *buffer) {
  for (int ms = 0; ms < 10 || getenv("FAKE_STALL") || queued == 0; ms++) {
    if (!streaming) return fail(EINVAL);
    usleep(1000);
  }
  if (!streaming) return fail(EINVAL);
  const char *limit = getenv("FAKE_FRAMES");
  if (limit && frames >= atoi(limit) && !unplugged) { unplugged = 1; return fail(ENODEV); }
  buffer->index = queue[0];
  memmove(queue, queue + 1, --queued * sizeof *queue);
  buffer->bytesused = stride() * HEIGHT;
  if (format == V4L2_PIX_FMT_MJPEG) buffer->bytesused = draw_jpeg(buffer->index);
  else draw(buffer->index, frames + 1);
  frames++;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  buffer->timestamp.tv_sec = now.tv_sec;
  buffer->timestamp.tv_usec = now.tv_nsec / 1000;
  buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
  buffer->sequence = frames;
  // Every fifth frame comes damaged.
  if (frames % 5 == 0) { buffer->flags |= V4L2_BUF_FLAG_ERROR; memset(memory + buffer->index * size(), 0, 999); }
  return 0;
}

int ioctl(int fd, unsigned long request, ...) {
  static int (*real)(int, unsigned long, ...);
  if (!real) real = dlsym(RTLD_NEXT, "ioctl");
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  if (fd != device || device < 0) return real(fd, request, argument);
  switch (request) {
    case VIDIOC_QUERYCAP: {
      struct v4l2_capability *capability = argument;
      strcpy((char *)capability->card, "Fake Camera");
      capability->capabilities = V4L2_CAP_DEVICE_CAPS;
      capability->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
      return 0;
    }
    case VIDIOC_ENUM_FMT: {
      struct v4l2_fmtdesc *description = argument;
      if (description->index > 0) return fail(EINVAL);
      description->pixelformat = format;
      return 0;
    }
    case VIDIOC_S_FMT: {
      struct v4l2_format *wanted = argument;
      wanted->fmt.pix.width = WIDTH;
      wanted->fmt.pix.height = HEIGHT;
      wanted->fmt.pix.bytesperline = stride();
      return 0;
    }
    case VIDIOC_S_PARM: return fail(ENOTTY);
    case VIDIOC_REQBUFS: ((struct v4l2_requestbuffers *)argument)->count = BUFFERS; return 0;
    case VIDIOC_QUERYBUF: {
      struct v4l2_buffer *buffer = argument;
      buffer->length = size();
      buffer->m.offset = buffer->index * size();
      return 0;
    }
    case VIDIOC_QBUF: queue[queued++] = ((struct v4l2_buffer *)argument)->index; return 0;
    case VIDIOC_DQBUF: return dequeue(argument);
    case VIDIOC_STREAMON: streaming = 1; return 0;
    case VIDIOC_STREAMOFF: streaming = 0; queued = 0; return 0;
  }
  return fail(ENOTTY);
}
