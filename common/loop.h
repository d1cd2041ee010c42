/*
 * loop: an epoll loop with timers. One thread owns a loop and runs it; only loop_wake() and
 * loop_stop() may be called from other threads (both async-signal-safe).
 */
#ifndef OBPIPE_COMMON_LOOP_H
#define OBPIPE_COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct loop_timer;

typedef void (*loop_fd_fn)(void *arg, uint32_t events);
typedef void (*loop_fn)(void *arg);

struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Watches fd (EPOLLIN/EPOLLOUT, level-triggered). The fd stays the caller's. */
void loop_add(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *arg);
/* Changes the events watched. */
void loop_mod(struct loop *loop, int fd, uint32_t events);
/* Stops watching; call before close(). An fd that is not watched is ignored. */
void loop_del(struct loop *loop, int fd);

/* A timer, not armed. fn runs on the loop thread. Freed by loop_timer_free. */
struct loop_timer *loop_timer_new(struct loop *loop, loop_fn fn, void *arg);
/* Arms it once, `delay_ms` from now (>= 0); a timer already armed is moved. */
void loop_timer_arm(struct loop_timer *timer, int64_t delay_ms);
void loop_timer_disarm(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

/* fn runs once on every turn of the loop, after fds and timers: the place to send what gathered. */
void loop_set_after(struct loop *loop, loop_fn fn, void *arg);

/* Makes the loop turn at once. Any thread, also a signal handler. */
void loop_wake(struct loop *loop);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
/* One turn: waits at most timeout_ms (-1: until something happens). */
void loop_turn(struct loop *loop, int timeout_ms);
/* Ends loop_run() after this turn. Any thread, also a signal handler. */
void loop_stop(struct loop *loop);
bool loop_stopped(const struct loop *loop);

#endif
