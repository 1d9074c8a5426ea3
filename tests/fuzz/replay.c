/* Runs a fuzz target over the files of its committed corpus: what was found once stays found. */
#include <dirent.h>

#include "fuzz.h"

enum { INPUT_MAX = 1 << 20 };

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return -1;
	uint8_t *data = malloc(INPUT_MAX);
	const size_t size = data != NULL ? fread(data, 1, INPUT_MAX, file) : 0;
	(void)fclose(file);
	/* An exact copy, so that a sanitizer sees the first byte read beyond it. */
	uint8_t *copy = data != NULL ? malloc(size > 0 ? size : 1) : NULL;
	if (copy != NULL) {
		memcpy(copy, data, size);
		(void)LLVMFuzzerTestOneInput(copy, size);
	}
	const int result = copy != NULL ? 0 : -1;
	free(copy);
	free(data);
	return result;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	DIR *folder = opendir(argv[1]);
	if (folder == NULL) {
		perror(argv[1]);
		return 1;
	}
	unsigned int count = 0;
	int failed = 0;
	for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		char path[4096];
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		if (run_file(path) != 0) {
			fprintf(stderr, "%s: cannot be read\n", path);
			failed = 1;
		}
		count++;
	}
	(void)closedir(folder);
	printf("%u inputs replayed\n", count);
	/* An empty corpus would make this test one that cannot fail. */
	return count == 0 ? 1 : failed;
}
