#include "log/file_cache.hpp"

#include "base/assert.hpp"

namespace dohle::log {

void FileCache::touch(CachedFile& file) {
  DOHLE_ASSERT(file.open_ != nullptr, "a file that is not open is kept open");
  if (file.place_ == recent_.end()) {
    recent_.push_front(&file);
    file.place_ = recent_.begin();
  } else {
    recent_.splice(recent_.begin(), recent_, file.place_);
  }
  while (recent_.size() > max_open_) recent_.back()->close();
}

void FileCache::drop(CachedFile& file) {
  DOHLE_ASSERT(file.place_ != recent_.end(), "an open file is not in the list of recent files");
  recent_.erase(file.place_);
  file.place_ = recent_.end();
}

CachedFile::CachedFile(Disk& disk, std::shared_ptr<FileCache> cache, std::string path)
    : disk_(&disk),
      cache_(std::move(cache)),
      path_(std::move(path)),
      place_(cache_->recent_.end()) {}

Result<std::shared_ptr<File>> CachedFile::get(OpenMode mode) {
  if (open_ == nullptr) {
    auto file = known_.lock();
    if (file == nullptr) {
      auto opened = disk_->open(path_, mode);
      if (!opened) return fail(opened.error());
      file = *std::move(opened);
    }
    open_ = std::move(file);
    known_ = open_;
  }
  auto file = open_;
  cache_->touch(*this);
  return file;
}

Result<std::shared_ptr<File>> CachedFile::make() {
  close();
  auto opened = disk_->open(path_, OpenMode::truncate);
  if (!opened) return fail(opened.error());
  open_ = *std::move(opened);
  known_ = open_;
  auto file = open_;
  cache_->touch(*this);
  return file;
}

void CachedFile::use(std::shared_ptr<FileCache> cache) {
  close();
  cache_ = std::move(cache);
  place_ = cache_->recent_.end();
}

void CachedFile::close() {
  if (open_ == nullptr) return;
  cache_->drop(*this);
  open_.reset();
}

}  // namespace dohle::log
