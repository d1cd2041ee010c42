#include "workers/db_pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/mem.h"

struct db_pool {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	struct db *all;
	struct db **idle;
	int count, idle_count;
};

struct db_pool *db_pool_new(const struct settings *settings, int connections)
{
	struct db_pool *pool = xcalloc(1, sizeof(*pool));

	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->freed, NULL);
	pool->all = xcalloc((size_t)connections, sizeof(*pool->all));
	pool->idle = xcalloc((size_t)connections, sizeof(struct db *));
	pool->count = pool->idle_count = connections;
	for (int i = 0; i < connections; i++) {
		db_init(&pool->all[i], settings, "obpipe-slot");
		pool->idle[i] = &pool->all[i];
	}
	return pool;
}

void db_pool_free(struct db_pool *pool)
{
	if (!pool)
		return;
	for (int i = 0; i < pool->count; i++)
		db_release(&pool->all[i]);
	pthread_cond_destroy(&pool->freed);
	pthread_mutex_destroy(&pool->lock);
	free(pool->all);
	free(pool->idle);
	free(pool);
}

struct db *db_pool_borrow(struct db_pool *pool)
{
	struct db *db;

	pthread_mutex_lock(&pool->lock);
	while (pool->idle_count == 0)
		pthread_cond_wait(&pool->freed, &pool->lock);
	db = pool->idle[--pool->idle_count];
	pthread_mutex_unlock(&pool->lock);
	return db;
}

void db_pool_return(struct db_pool *pool, struct db *db)
{
	pthread_mutex_lock(&pool->lock);
	pool->idle[pool->idle_count++] = db;
	pthread_cond_signal(&pool->freed);
	pthread_mutex_unlock(&pool->lock);
}
