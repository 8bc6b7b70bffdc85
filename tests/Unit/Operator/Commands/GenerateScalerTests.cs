using Bursar.Hosting;
using Bursar.Operator.Commands;

namespace Bursar.Tests.Unit.Operator.Commands;

/// <summary>ScaledObjects as users write them, and the InferenceScalers made from them.</summary>
public sealed class GenerateScalerTests
{
    private const string Minimal = """
        apiVersion: keda.sh/v1alpha1
        kind: ScaledObject
        metadata: {name: chat}
        spec:
          scaleTargetRef: {name: chat}
          triggers:
        """;

    [Fact]
    public async Task ScaledObject_with_a_Prometheus_queue_trigger_is_converted()
    {
        var (code, output, error) = await RunAsync(
            """
            # Scales on requests that wait, as vLLM tells them.
            apiVersion: keda.sh/v1alpha1
            kind: ScaledObject
            metadata:
              name: vllm-llama
              namespace: team-nlp
              labels:
                app.kubernetes.io/part-of: llama
              annotations:
                team: nlp
                kubectl.kubernetes.io/last-applied-configuration: |
                  {"apiVersion":"keda.sh/v1alpha1"}
              resourceVersion: "7"
              uid: 0b0e
            spec:
              scaleTargetRef:
                name: vllm-llama
              pollingInterval: 15
              cooldownPeriod: 360
              minReplicaCount: 1
              maxReplicaCount: 8
              triggers:
              - type: prometheus
                metadata:
                  serverAddress: http://prometheus-operated.monitoring.svc:9090
                  query: sum(vllm:num_requests_waiting{model_name="llama"})
                  threshold: '5'
                  activationThreshold: "1"
                  authModes: bearer
                authenticationRef:
                  name: prometheus-token
            status:
              hpaName: keda-hpa-vllm-llama
            """
        );
        code.Should().Be(0);
        output
            .Should()
            .Be(
                """
                apiVersion: bursar.dev/v1alpha1
                kind: InferenceScaler
                metadata:
                  annotations:
                    team: nlp
                  labels:
                    app.kubernetes.io/part-of: llama
                  name: vllm-llama
                  namespace: team-nlp
                spec:
                  cooldownPeriod: 360
                  maxReplicaCount: 8
                  minReplicaCount: 1
                  pollingInterval: 15
                  scaleTargetRef:
                    name: vllm-llama
                  triggers:
                  - metadata:
                      activationThreshold: "1"
                      query: "sum(vllm:num_requests_waiting{model_name=\"llama\"})"
                      threshold: "5"
                    type: prometheus

                """
            );
        error
            .Should()
            .Be(
                """
                left out: ScaledObject team-nlp/vllm-llama: spec.triggers[0].metadata.authModes: the source has its credentials in the chart's values
                left out: ScaledObject team-nlp/vllm-llama: spec.triggers[0].metadata.serverAddress: the chart's operator.prometheus names the sources; a trigger has source: <name>, or none where there is one source
                note: ScaledObject team-nlp/vllm-llama: spec.triggers[0].metadata.ignoreNullValues: an empty answer is 0 to KEDA and a missing value to Bursar, unless "true" is written here
                left out: ScaledObject team-nlp/vllm-llama: spec.triggers[0].authenticationRef: the sources in the chart's values have their own credentials, and Bursar reads no Secrets

                """
            );
    }

    [Fact]
    public async Task ScaledObject_with_HPA_behavior_and_a_formula_is_converted()
    {
        var (code, output, error) = await RunAsync(
            """
            apiVersion: keda.sh/v1alpha1
            kind: ScaledObject
            metadata:
              name: embed
              annotations:
                autoscaling.keda.sh/paused-replicas: "0"
                autoscaling.keda.sh/force-activation: "true"
                scaledobject.keda.sh/transfer-hpa-ownership: "true"
            spec:
              scaleTargetRef:
                apiVersion: argoproj.io/v1alpha1
                kind: Rollout
                name: embed
                envSourceContainerName: server
              initialCooldownPeriod: 120
              idleReplicaCount: 0
              minReplicaCount: 2
              fallback:
                failureThreshold: 3
                replicas: 4
                behavior: currentReplicasIfHigher
              advanced:
                restoreToOriginalReplicaCount: true
                scalingModifiers:
                  formula: "max(queue, tokens / 100)"
                  target: "5"
                  activationTarget: '1'
                  metricType: AverageValue
                horizontalPodAutoscalerConfig:
                  name: embed-hpa
                  behavior:
                    scaleDown:
                      stabilizationWindowSeconds: 600
                      tolerance: 0.05
                      policies:
                      - {type: Percent, value: 50, periodSeconds: 60}
                    scaleUp:
                      selectPolicy: Max
                      tolerance: 0
                      policies: [{type: Pods, value: 2, periodSeconds: 15}]
              triggers:
              - type: prometheus
                name: queue
                metricType: Value
                metadata: {query: sum(queue), threshold: "1", ignoreNullValues: "false", unsafeSsl: "true"}
              - type: prometheus
                name: tokens
                useCachedMetrics: true
                metadata: {query: "sum(rate(tokens_total[1m]))", threshold: 100, ignoreNullValues: "false", metricName: tok}
              - type: cron
                metadata: {timezone: Europe/Berlin, start: 0 8 * * 1-5, end: 0 18 * * 1-5, desiredReplicas: "3"}
            """
        );
        code.Should().Be(0);
        output
            .Should()
            .Be(
                """
                apiVersion: bursar.dev/v1alpha1
                kind: InferenceScaler
                metadata:
                  name: embed
                spec:
                  advanced:
                    horizontalPodAutoscalerConfig:
                      behavior:
                        scaleDown:
                          policies:
                          - periodSeconds: 60
                            type: Percent
                            value: 50
                          stabilizationWindowSeconds: 600
                          tolerance: "0.05"
                        scaleUp:
                          policies:
                          - periodSeconds: 15
                            type: Pods
                            value: 2
                          selectPolicy: Max
                          tolerance: "0"
                    scalingModifiers:
                      activationTarget: "1"
                      formula: "max(queue, tokens / 100)"
                      metricType: AverageValue
                      target: "5"
                  fallback:
                    behavior: currentReplicasIfHigher
                    failureThreshold: 3
                    replicas: 4
                  idleReplicaCount: 0
                  initialCooldownPeriod: 120
                  minReplicaCount: 2
                  scaleTargetRef:
                    apiVersion: argoproj.io/v1alpha1
                    kind: Rollout
                    name: embed
                  triggers:
                  - metadata:
                      ignoreNullValues: "false"
                      query: sum(queue)
                      threshold: "1"
                    metricType: Value
                    name: queue
                    type: prometheus
                  - metadata:
                      ignoreNullValues: "false"
                      query: "sum(rate(tokens_total[1m]))"
                      threshold: "100"
                    name: tokens
                    type: prometheus
                  - metadata:
                      desiredReplicas: "3"
                      end: "0 18 * * 1-5"
                      start: "0 8 * * 1-5"
                      timezone: Europe/Berlin
                    type: cron

                """
            );
        error
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Replace("ScaledObject embed: ", "", StringComparison.Ordinal))
            .Should()
            .Equal(
                "left out: spec.scaleTargetRef.envSourceContainerName: Bursar does not read container environments",
                "left out: spec.triggers[0].metadata.unsafeSsl: the source has its certificate authority in the chart's values",
                "left out: spec.triggers[1].metadata.metricName: KEDA itself ignores it since 2.10",
                "left out: spec.triggers[1].useCachedMetrics: every value is cached and a few seconds old",
                "left out: spec.advanced.restoreToOriginalReplicaCount: a target keeps its replicas when its InferenceScaler is deleted",
                "left out: spec.advanced.horizontalPodAutoscalerConfig.name: Bursar creates no HPA to name",
                "left out: annotation autoscaling.keda.sh/paused-replicas: Bursar has no pause by annotation: the target is scaled as soon as the InferenceScaler is there",
                "left out: annotation autoscaling.keda.sh/force-activation: KEDA's annotations mean nothing to Bursar",
                "left out: annotation scaledobject.keda.sh/transfer-hpa-ownership: Bursar creates no HPA; delete the existing one"
            );
    }

    [Theory]
    [InlineData(".5")]
    [InlineData("1e3")]
    [InlineData("0x10")]
    [InlineData("on")]
    [InlineData("~")]
    public async Task Threshold_is_written_as_a_string(string threshold)
    {
        var (code, output, error) = await RunAsync(
            Minimal
                + $$"""

                  - type: prometheus
                    metadata: {query: "sum(x) # all: of it", threshold: "{{threshold}}", ignoreNullValues: "false"}
                """
        );
        code.Should().Be(0);
        output.Should().Contain($"      threshold: \"{threshold}\"\n").And.Contain("      query: \"sum(x) # all: of it\"\n");
        (error.Length == 0).Should().Be(threshold == ".5", "Bursar reads decimal numbers and remarks on others");
    }

    [Theory]
    [InlineData("30 6 * * 1-5", "10 22 * * *", true)]
    [InlineData("0 30 6 ? * 2-6", "0 10 22 * * ?", true)]
    [InlineData("30 6 * * 1-5", "10 22 * * 1-5", false)]
    public async Task Cron_whose_end_has_days_without_a_start_gets_a_note(string start, string end, bool remarked)
    {
        var (code, _, error) = await RunAsync(
            Minimal
                + $$"""

                  - type: cron
                    metadata: {timezone: Europe/Prague, start: "{{start}}", end: "{{end}}", desiredReplicas: "2"}
                """
        );
        code.Should().Be(0);
        error.Contains("start and end name different days", StringComparison.Ordinal).Should().Be(remarked);
    }

    [Fact]
    public async Task Triggers_that_Bursar_gave_to_KEDA_become_its_own()
    {
        var (code, output, error) = await RunAsync(
            Minimal
                + """

                  - type: external
                    metricType: Value
                    metadata:
                      scalerAddress: bursar-external-scaler.bursar-system.svc.cluster.local:9467
                      trigger: queue
                      waiting: "4"
                      costCapPerHour: "24"
                  - type: external-push
                    name: load
                    metadata: {scalerAddress: "dns:///gpu-costs-external-scaler.bursar-system:9467", trigger: latency, metric: firstToken, percentile: "95", seconds: "0.8", costCapPerHour: "18.5"}
                  - type: external
                    metadata: {scalerAddress: "bursar-external-scaler.bursar-system:9467", inferenceScaler: chat}
                  - type: external
                    metadata: {scalerAddress: "bursar-external-scaler.bursar-system:9467", trigger: kv-cache}
                  - type: external
                    metadata: {scalerAddress: "earthquakes.default:6000", longitude: "52"}
                """
        );
        code.Should().Be(0);
        output
            .Should()
            .EndWith(
                """
                spec:
                  costCap:
                    perHour: "18.5"
                  scaleTargetRef:
                    name: chat
                  triggers:
                  - metadata:
                      waiting: "4"
                    type: queue
                  - metadata:
                      metric: firstToken
                      percentile: "95"
                      seconds: "0.8"
                    name: load
                    type: latency

                """
            );
        error
            .Should()
            .Be(
                """
                left out: ScaledObject chat: spec.triggers[0].metricType: each trigger but prometheus has its own
                left out: ScaledObject chat: spec.triggers[2]: it follows the InferenceScaler chat, which can scale the target itself
                left out: ScaledObject chat: spec.triggers[3]: metadata.percent: is required
                left out: ScaledObject chat: spec.triggers[4]: external queries earthquakes.default:6000; Bursar queries no external scalers
                note: ScaledObject chat: spec.costCap: the least of the triggers' caps: an InferenceScaler has one

                """
            );
    }

    [Fact]
    public async Task Formula_with_a_missing_trigger_is_dropped()
    {
        var (code, output, error) = await RunAsync(
            """
            apiVersion: keda.sh/v1alpha1
            kind: ScaledObject
            metadata: {name: chat}
            spec:
              scaleTargetRef: {name: chat}
              fallback: {failureThreshold: 3, replicas: 0}
              advanced: {scalingModifiers: {formula: lag + queue, target: "2"}}
              triggers:
              - {type: kafka, name: lag, metadata: {topic: t}}
              - {type: prometheus, name: queue, metadata: {query: q, threshold: "1", ignoreNullValues: "true"}}
            """
        );
        code.Should().Be(0);
        output.Should().NotContain("advanced").And.NotContain("kafka").And.Contain("replicas: 0");
        error
            .Should()
            .Be(
                """
                note: ScaledObject chat: spec.fallback.replicas: with 0, KEDA scales to zero while values are missing; Bursar keeps the last replica
                left out: ScaledObject chat: spec.triggers[0]: Bursar has no trigger kafka; a prometheus trigger can query the same metric
                left out: ScaledObject chat: spec.advanced.scalingModifiers: its formula uses the trigger lag, which has no equivalent

                """
            );
    }

    [Fact]
    public async Task Values_that_Bursar_would_refuse_are_reported()
    {
        var (code, output, error) = await RunAsync(
            """
            apiVersion: keda.sh/v1alpha1
            kind: ScaledObject
            metadata: {name: chat}
            spec:
              scaleTargetRef: {name: chat}
              minReplicaCount: 5
              maxReplicaCount: 3
              advanced:
                scalingModifiers: {formula: "queue +", target: "2"}
              triggers:
              - {type: prometheus, name: queue, metadata: {query: q, threshold: "-1", ignoreNullValues: "true"}}
            """
        );
        (code, output).Should().NotBe((0, ""));
        error
            .Should()
            .Contain("note: ScaledObject chat: spec.minReplicaCount: Bursar refuses this: must not be above maxReplicaCount (3)\n")
            .And.Contain(
                "note: ScaledObject chat: spec.triggers[0].metadata.threshold: Bursar refuses this: \"-1\" is not a number above 0\n"
            )
            .And.Contain("note: ScaledObject chat: spec.advanced.scalingModifiers.formula: Bursar refuses this: ");

        (
            await RunAsync(
                Minimal.Replace(
                    "spec:\n",
                    "spec:\n  advanced: {horizontalPodAutoscalerConfig: {behavior: [1]}}\n",
                    StringComparison.Ordinal
                ) + "\n  - {type: prometheus, metadata: {query: q, threshold: '1', ignoreNullValues: 'true'}}"
            )
        )
            .Error.Should()
            .Be(
                "note: ScaledObject chat: spec.advanced.horizontalPodAutoscalerConfig.behavior: Bursar refuses this: it has another type\n"
            );
    }

    [Fact]
    public async Task Several_documents_give_several_scalers_and_the_rest_is_named()
    {
        var (code, output, error) = await RunAsync(
            $$"""
            {{Minimal}}
              - {type: cron, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 9 * * *, desiredReplicas: "1"} }
            ---
            apiVersion: keda.sh/v1alpha1
            kind: TriggerAuthentication
            metadata: {name: token, namespace: team}
            ---
            apiVersion: v1
            kind: List
            items:
            - apiVersion: keda.sh/v1alpha1
              kind: ScaledJob
              metadata: {name: batch}
            - apiVersion: keda.sh/v1alpha1
              kind: ScaledObject
              metadata: {name: other}
              spec:
                scaleTargetRef: {kind: CustomThing, apiVersion: example.com/v1, name: other}
                pollingInterval: ~
                triggers:
                - {type: cron, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 9 * * *, desiredReplicas: "1"} }
            ---
            # An empty document is none.
            ---
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: chat}
            """
        );
        code.Should().Be(0);
        output
            .Split("---\n")
            .Should()
            .HaveCount(2)
            .And.OnlyContain(text => text.StartsWith("apiVersion: bursar.dev/v1alpha1\nkind: InferenceScaler\n", StringComparison.Ordinal));
        output.Should().NotContain("pollingInterval");
        error
            .Should()
            .Be(
                """
                left out: TriggerAuthentication team/token: credentials belong to the sources in the chart's values
                left out: ScaledJob batch: Bursar scales what runs on, and starts no jobs by demand
                note: ScaledObject other: spec.scaleTargetRef.kind: Bursar scales Deployment, StatefulSet, LeaderWorkerSet, Rollout, DynamoGraphDeploymentScalingAdapter and InferenceService, and no CustomThing
                left out: Deployment chat: it is not a ScaledObject

                """
            );
    }

    [Fact]
    public async Task ScaledObject_without_usable_triggers_gives_no_scaler()
    {
        var (code, output, error) = await RunAsync(
            Minimal
                + """

                  - {type: cpu, metricType: Utilization, metadata: {value: "60"}}
                  - {type: memory, metadata: {value: "60"}}
                ---
                apiVersion: keda.sh/v1alpha1
                kind: ScaledObject
                metadata: {name: fine}
                spec:
                  scaleTargetRef: {name: fine}
                  triggers: [{type: prometheus, metadata: {query: q, threshold: "1", ignoreNullValues: "true"}}]
                """
        );
        code.Should().Be(1);
        output.Should().Contain("name: fine").And.NotContain("name: chat");
        error.Should().EndWith("error: ScaledObject chat: none of its triggers has an equivalent, so no InferenceScaler is written\n");
        error.Should().Contain("spec.triggers[0]: cpu does not describe").And.Contain("spec.triggers[1]: memory does not describe");
    }

    [Theory]
    [InlineData("", "there is no ScaledObject (apiVersion keda.sh/v1alpha1) in it")]
    [InlineData("kind: ScaledObject\napiVersion: example.com/v1", "there is no ScaledObject (apiVersion keda.sh/v1alpha1) in it")]
    [InlineData("a: [", "line 2: ")]
    [InlineData("apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: x}", "ScaledObject x: spec: is missing")]
    [InlineData(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: x}\nspec: {}",
        "ScaledObject x: spec.scaleTargetRef: is missing"
    )]
    [InlineData(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: x}\nspec: {scaleTargetRef: {kind: Deployment}}",
        "ScaledObject x: spec.scaleTargetRef.name: is missing"
    )]
    [InlineData(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: x}\nspec: {scaleTargetRef: {name: x}, maxReplicaCount: many}",
        "ScaledObject x: spec.maxReplicaCount: \"many\" is not a whole number"
    )]
    [InlineData(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: x}\nspec: {scaleTargetRef: {name: x}, triggers: [cpu]}",
        "ScaledObject x: spec.triggers[0]: is not an object"
    )]
    [InlineData(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: x}\nspec: {scaleTargetRef: {name: x}, triggers: [{metadata: {}}]}",
        "ScaledObject x: spec.triggers[0].type: is missing"
    )]
    [InlineData(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: x}\nspec: {scaleTargetRef: {name: x}, advanced: {horizontalPodAutoscalerConfig: {behavior: &a {b: *a}}}}",
        "ScaledObject x: spec.advanced: is nested too deeply"
    )]
    [InlineData(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: x}\nspec: {scaleTargetRef: {name: x}, minReplicaCount: &m {a: *m}}",
        "ScaledObject x: spec.minReplicaCount: is not a whole number"
    )]
    [InlineData(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: x}\na: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nspec: {scaleTargetRef: {name: x}, advanced: {horizontalPodAutoscalerConfig: {behavior: [*e, *e, *e, *e, *e, *e, *e, *e]}}}",
        "ScaledObject x: spec.advanced: is too large"
    )]
    public async Task Unreadable_input_is_one_error_sentence(string text, string sentence)
    {
        var (code, output, error) = await RunAsync(text);
        (code, output).Should().Be((1, ""));
        error.Should().StartWith("error: ").And.Contain(sentence);
        error.TrimEnd().Should().NotContain("\n");
    }

    [Fact]
    public async Task Input_file_is_read_and_a_missing_one_is_an_error()
    {
        var file = Path.Combine(Path.GetTempPath(), $"bursar-scaledobject-{Guid.NewGuid():N}.yaml");
        await File.WriteAllTextAsync(
            file,
            Minimal + "\n  - {type: prometheus, metadata: {query: q, threshold: '1', ignoreNullValues: 'true'}}\n"
        );
        using var output = new StringWriter();
        using var error = new StringWriter();

        var found = await CommandLine.RunAsync(
            RootCommands.Create(),
            ["generate", "scaler", "--from-scaledobject", file],
            Failures.Describe,
            new() { Output = output, Error = error }
        );
        File.Delete(file);
        var gone = await CommandLine.RunAsync(
            RootCommands.Create(),
            ["generate", "scaler", "--from-scaledobject", file],
            Failures.Describe,
            new() { Output = output, Error = error }
        );

        (found, gone).Should().Be((0, 1));
        output.ToString().Should().Contain("kind: InferenceScaler");
        error.ToString().Should().Be($"error: there is no file {file}.\n");
        GenerateScalerCommand.Create().Parse("").Errors.Should().NotBeEmpty("the option must be given");
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(string text)
    {
        var file = Path.Combine(Path.GetTempPath(), $"bursar-scaledobject-{Guid.NewGuid():N}.yaml");
        await File.WriteAllTextAsync(file, text);
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var code = await CommandLine.RunAsync(
            RootCommands.Create(),
            ["generate", "scaler", "--from-scaledobject", file],
            Failures.Describe,
            new() { Output = output, Error = error }
        );
        File.Delete(file);
        return (code, output.ToString(), error.ToString());
    }
}
