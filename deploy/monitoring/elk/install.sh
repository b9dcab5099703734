#!/bin/sh
# Puts policy, pipeline and template into Elasticsearch, and view and searches into Kibana:
#   ES_URL=https://… KIBANA_URL=https://… ES_API_KEY_FILE=/run/secrets/es-api-key deploy/monitoring/elk/install.sh
set -eu
cd "$(dirname "$0")"
: "${ES_URL:?is the address of Elasticsearch}" "${KIBANA_URL:?is the address of Kibana}"
: "${ES_API_KEY_FILE:?is a file with an API key}"

# The key goes to curl by a file descriptor: arguments can be read by everybody on the machine.
request() {
    printf 'header = "Authorization: ApiKey %s"\n' "$(cat "$ES_API_KEY_FILE")" |
        curl --config - --silent --show-error --fail-with-body "$@"
    echo
}

put() {
    request --request PUT --header 'Content-Type: application/json' --data-binary "@$2" "$ES_URL/$1"
}

put _ilm/policy/caudal-access ilm-policy.json
put _ingest/pipeline/caudal-access ingest-pipeline.json
put _index_template/caudal-access index-template.json
request --header 'kbn-xsrf: true' --form file=@kibana.ndjson "$KIBANA_URL/api/saved_objects/_import?overwrite=true"
