/*
 * C11 threads by way of pthreads, for TSan builds only. librdkafka makes its threads and locks by
 * <threads.h>, which GCC 12's TSan does not see: such a thread dies in its first malloc, and its
 * locks order nothing. glibc's C11 types are pthread ones inside (same size and layout).
 */
#if defined(__SANITIZE_THREAD__)

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

struct start {
	thrd_start_t run;
	void *arg;
};

static void *run_start(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	return (void *)(intptr_t)start.run(start.arg); /* NOLINT(performance-no-int-to-ptr) */
}

static int result(int error)
{
	switch (error) {
	case 0:
		return thrd_success;
	case EBUSY:
		return thrd_busy;
	case ETIMEDOUT:
		return thrd_timedout;
	case ENOMEM:
		return thrd_nomem;
	default:
		return thrd_error;
	}
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *arg)
{
	struct start *start = malloc(sizeof(*start));

	if (!start)
		return thrd_nomem;
	*start = (struct start){run, arg};
	return result(pthread_create(thread, NULL, run_start, start));
}

int thrd_join(thrd_t thread, int *ret)
{
	void *value = NULL;
	int error = pthread_join(thread, &value);

	if (ret)
		*ret = (int)(intptr_t)value;
	return result(error);
}

int thrd_detach(thrd_t thread)
{
	return result(pthread_detach(thread));
}

int mtx_init(mtx_t *mutex, int type)
{
	pthread_mutexattr_t attr;
	int error;

	pthread_mutexattr_init(&attr);
	if (type & mtx_recursive)
		pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	error = pthread_mutex_init((pthread_mutex_t *)mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return result(error);
}

int mtx_lock(mtx_t *mutex)
{
	return result(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_trylock(mtx_t *mutex)
{
	return result(pthread_mutex_trylock((pthread_mutex_t *)mutex));
}

int mtx_unlock(mtx_t *mutex)
{
	return result(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

void mtx_destroy(mtx_t *mutex)
{
	pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

int cnd_init(cnd_t *cond)
{
	return result(pthread_cond_init((pthread_cond_t *)cond, NULL));
}

int cnd_signal(cnd_t *cond)
{
	return result(pthread_cond_signal((pthread_cond_t *)cond));
}

int cnd_broadcast(cnd_t *cond)
{
	return result(pthread_cond_broadcast((pthread_cond_t *)cond));
}

int cnd_wait(cnd_t *cond, mtx_t *mutex)
{
	return result(pthread_cond_wait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *until)
{
	return result(
	        pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, until));
}

void cnd_destroy(cnd_t *cond)
{
	pthread_cond_destroy((pthread_cond_t *)cond);
}

#else
typedef int tsan_threads_has_nothing;
#endif
