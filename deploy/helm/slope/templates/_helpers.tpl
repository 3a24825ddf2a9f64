{{- define "slope.name" -}}
{{- printf "%s" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "slope.labels" -}}
app.kubernetes.io/name: slope
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "slope.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "slope.secret" -}}
{{- .Values.existingSecret | default (include "slope.name" .) -}}
{{- end -}}

{{- define "slope.pod" -}}
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
initContainers:
  - name: kernels  # compiled code: the image's, or that for the processor at hand
    image: {{ include "slope.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    command: [cp, -R, /var/lib/slope-kernels/., /kernels/]
    resources:
      limits: {memory: 128Mi}
    securityContext: {{ include "slope.confined" . | nindent 6 }}
    volumeMounts:
      - {name: kernels, mountPath: /kernels}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: 1Gi}}
  - {name: kernels, emptyDir: {sizeLimit: 256Mi}}
  - name: secrets
    secret: {secretName: {{ include "slope.secret" . }}, defaultMode: 0440}
{{- if not .Values.storage.url }}
  - name: objects
    persistentVolumeClaim: {claimName: {{ include "slope.name" . }}-objects}
{{- end }}
{{- end -}}

{{- define "slope.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "slope.container" -}}
image: {{ include "slope.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{ include "slope.confined" . | nindent 2 }}
env:
  - {name: SLOPE_SECRETS_DIR, value: /run/secrets/slope}
  - {name: SLOPE_STORAGE_URL, value: {{ .Values.storage.url | default "file:///var/lib/slope/objects" | quote }}}
{{- range $name, $value := .Values.settings }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . | indent 2 }}
{{- end }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: kernels, mountPath: /var/lib/slope-kernels}
  - {name: secrets, mountPath: /run/secrets/slope, readOnly: true}
{{- if not .Values.storage.url }}
  - {name: objects, mountPath: /var/lib/slope}
{{- end }}
{{- end -}}
