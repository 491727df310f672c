# An image with the champion inside: built, tried, pushed. The workflow train-and-deploy calls these one by one.
IMAGE ?= portfolio-serving
PULL ?= never
# Registries take lower case only; the name of an account may have capitals.
NAME = $(shell tr '[:upper:]' '[:lower:]' <<<'$(IMAGE)')
CHAMPION = $(or $(PORTFOLIO_STATE),.state)/store/$(USE_CASE)/champion.json
DIGEST = $(shell [ ! -e $(CHAMPION) ] || sed -n 's/.*"digest": *"\(.\{12\}\).*/\1/p' $(CHAMPION))
# A tag says what is inside: the use case, the champion's digest, the commit of the code around it.
TAGGED = $(NAME):$(USE_CASE)-$(DIGEST)-$(shell git rev-parse --short=7 HEAD)

##@ Deploy: an image with the champion inside

use-case:  ## print the use case that the other targets use
	@echo "USE_CASE=$(USE_CASE)" | tee -a "$${GITHUB_ENV:-/dev/null}"

deploy-plan:  ## check whether the champion's image has yet to be built and pushed: deploy=true or false, and why
	@if [ -z "$(DIGEST)" ]; then deploy=false why="no champion of $(USE_CASE) has been published"; \
	elif docker pull --quiet $(TAGGED) >/dev/null 2>&1; then deploy=false why="$(TAGGED) has been pushed already"; \
	else deploy=true why="$(TAGGED) has not been pushed yet"; fi; \
	echo "deploy=$$deploy: $$why" | tee -a "$${GITHUB_STEP_SUMMARY:-/dev/null}"; \
	echo "deploy=$$deploy" >>"$${GITHUB_OUTPUT:-/dev/null}"

image: setup  ## build an image with the champion inside (USE_CASE, IMAGE)
	@portfolio export $(USE_CASE) build/champion
	docker build --file serving/Dockerfile --target with-champion --build-arg USE_CASE=$(USE_CASE) --tag $(TAGGED) .

smoke-image: setup  ## start the image, get one prediction, stop it (PULL=always: pull it first)
	@container=$$(docker run --detach --pull $(PULL) --read-only --tmpfs /state/log:uid=10001 --publish 127.0.0.1::8000 $(TAGGED)) || exit 1; \
	trap "docker rm --force $$container >/dev/null" EXIT; \
	portfolio smoke "http://$$(docker port $$container 8000/tcp)" --digest $(DIGEST) \
	    || { docker logs $$container >&2; exit 1; }

registry-login:  ## log in to the registry of IMAGE, as REGISTRY_USER with REGISTRY_TOKEN
	@docker login $(firstword $(subst /, ,$(NAME))) --username "$$REGISTRY_USER" --password-stdin <<<"$$REGISTRY_TOKEN"

push-image:  ## push the image, and point the tag named after the use case to it
	docker push $(TAGGED)
	docker tag $(TAGGED) $(NAME):$(USE_CASE)
	docker push $(NAME):$(USE_CASE)

.PHONY: use-case deploy-plan image smoke-image registry-login push-image
