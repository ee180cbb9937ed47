#!/usr/bin/env bash
# Build the function's image, push it to Amazon ECR under the git commit, and tell Terraform its digest.
#
# The build context is the root of the repository, because the function takes `protocol/` with it.
# An image of this commit that ECR has already is not built again: tags are immutable.
set -o errexit -o nounset -o pipefail

usage() {
  cat <<'TEXT'
Usage: publish_ecr.sh [options]

  --profile NAME       AWS profile (default: AWS_PROFILE; else terraform/credentials if that file is there, else
                       the usual chain)
  --repository URL     <account>.dkr.ecr.<region>.amazonaws.com/<name>
                       (default: what `terraform output repository_url` says)
  --region NAME        must be the repository's region (default: that)
  --platform PLATFORM  linux/arm64, which the function runs on, or linux/amd64 (default: linux/arm64)
  --dry-run            print the commands, run none of them; needs neither Docker nor the AWS CLI
  --help               this text

Then: terraform apply. The digest is in terraform/image.auto.tfvars.json, which git ignores.
TEXT
}

fail() {
  printf 'publish_ecr.sh: %s\n' "$1" >&2
  exit 2
}

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
terraform="$root/terraform"
digest_file="$terraform/image.auto.tfvars.json"
inputs=(lambda_functions/aggregate lambda_functions/lake protocol) # what the image is made from

profile="" repository="" region="" platform="linux/arm64" dry_run=""

read_options() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --dry-run) dry_run=yes ;;
      --help) usage && exit 0 ;;
      --profile | --repository | --region | --platform)
        [ $# -gt 1 ] || fail "$1 wants a value; see --help"
        printf -v "${1#--}" '%s' "$2"
        shift
        ;;
      *) fail "unknown option $1; see --help" ;;
    esac
    shift
  done
  case "$platform" in
    linux/arm64 | linux/amd64) ;;
    *) fail "--platform $platform: want linux/arm64 or linux/amd64, one of them: Lambda takes no image of several" ;;
  esac
}

# Run a command, or print it as one could type it.
run() {
  if [ -n "$dry_run" ]; then
    local line
    printf -v line '%q ' "$@"
    echo "${line% }"
  else
    "$@"
  fi
}

need() {
  [ -n "$dry_run" ] || command -v "$1" >/dev/null || fail "$1 is not installed; remedy: $2 (--dry-run works without it)"
}

check_tools() {
  command -v git >/dev/null || fail "git is not installed; the image is tagged by the commit"
  need aws "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
  need docker "https://docs.docker.com/engine/install/"
  [ -n "$dry_run" ] || docker buildx version >/dev/null 2>&1 ||
    fail "docker has no buildx; remedy: https://github.com/docker/buildx#installing"
  [ -n "$dry_run" ] || docker info >/dev/null 2>&1 || fail "the Docker daemon does not answer; start it and try again"
}

# The commit whose files these are; refuses files that no commit has.
find_commit() {
  local changed
  commit="$(git -C "$root" rev-parse --verify --quiet HEAD)" ||
    fail "$root has no git commit; the image is tagged by it"
  changed="$(git -C "$root" status --porcelain -- "${inputs[@]}")"
  [ -z "$changed" ] ||
    fail "these files are in no commit, which the image's tag would name; commit or remove them:"$'\n'"$changed"
}

find_repository() {
  local address='^([0-9]{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?)/([a-z0-9._/-]+)$'
  if [ -z "$repository" ]; then
    command -v terraform >/dev/null || fail "no --repository, and no terraform to ask for its output repository_url"
    # Without state it ends well and prints a warning, so only an address counts as an answer.
    repository="$(terraform -chdir="$terraform" output -raw -no-color repository_url 2>/dev/null)" || repository=""
    [[ "$repository" =~ $address ]] ||
      fail "terraform has no output repository_url yet; run: terraform -chdir=terraform apply, or give --repository"
  fi
  [[ "$repository" =~ $address ]] ||
    fail "--repository $repository: want <account>.dkr.ecr.<region>.amazonaws.com/<name>"
  registry="${BASH_REMATCH[1]}" name="${BASH_REMATCH[4]}"
  [ -z "$region" ] || [ "$region" = "${BASH_REMATCH[2]}" ] ||
    fail "--region $region, but the repository is in ${BASH_REMATCH[2]}; Lambda takes images of its own region only"
  region="${BASH_REMATCH[2]}"
}

choose_credentials() {
  aws=(aws --region "$region")
  if [ -n "$profile" ]; then
    aws+=(--profile "$profile")
  elif [ -z "${AWS_PROFILE:-}" ] && [ -f "$terraform/credentials" ]; then
    export AWS_SHARED_CREDENTIALS_FILE="$terraform/credentials" # as Terraform does
  fi
}

# The digest under this commit's tag; nothing if there is none. Ends the script if ECR cannot be asked.
pushed_digest() {
  local answer
  if answer="$("${aws[@]}" ecr describe-images --repository-name "$name" --image-ids "imageTag=$tag" \
    --query 'imageDetails[0].imageDigest' --output text 2>&1)"; then
    echo "$answer"
  elif [[ "$answer" != *ImageNotFoundException* ]]; then
    fail "${answer#$'\n'}" # the AWS CLI begins with an empty line
  fi
}

log_in() {
  if [ -n "$dry_run" ]; then
    printf '%s | ' "$(run "${aws[@]}" ecr get-login-password)"
    run docker login --username AWS --password-stdin "$registry"
  else
    "${aws[@]}" ecr get-login-password | docker login --username AWS --password-stdin "$registry" >/dev/null
  fi
}

# Without attestations: with them the tag would be an index, which Lambda refuses.
build_and_push() {
  run docker buildx build --platform "$platform" --provenance=false --sbom=false \
    --label "org.opencontainers.image.revision=$commit" --file "$here/Dockerfile" \
    --tag "$repository:$tag" --push "$root"
}

write_digest() {
  if [ -n "$dry_run" ]; then
    printf '{"image_digest": "sha256:..."}  > %s\n' "$digest_file"
    return
  fi
  [[ "$1" =~ ^sha256:[0-9a-f]{64}$ ]] || fail "ECR says '$1' where the digest of $repository:$tag should be"
  printf '{"image_digest": "%s"}\n' "$1" >"$digest_file.new"
  mv "$digest_file.new" "$digest_file"
  echo "$repository@$1"
  echo "now: terraform -chdir=terraform apply"
}

main() {
  read_options "$@"
  check_tools
  find_commit
  find_repository
  choose_credentials
  tag="$commit"
  [ "$platform" = linux/arm64 ] || tag="$commit-${platform#linux/}"
  if [ -n "$dry_run" ]; then
    log_in
    build_and_push
    write_digest ""
    return
  fi
  local digest
  digest="$(pushed_digest)"
  if [ -z "$digest" ]; then
    log_in
    build_and_push
    digest="$(pushed_digest)"
  fi
  write_digest "$digest"
}

main "$@"
