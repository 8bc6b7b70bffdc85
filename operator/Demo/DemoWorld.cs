using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.ApiServer;
using Bursar.Sandbox.Nodes;

namespace Bursar.Demo;

/// <summary>The objects of the demo's cluster: two teams with a budget each, four GPU nodes, and workloads with one runaway job.</summary>
internal static class DemoWorld
{
    public const string RunawayNamespace = "team-vision";
    public const string RunawayBudget = "vision";
    public const string RunawayJob = "vit-runaway";
    public const string RunawayDeclared = "20m";

    public static IReadOnlyList<FleetNode> Fleet { get; } =
    [
        new()
        {
            Name = "h100-1",
            Gpus = 8,
            Gpu = SimulatedGpuModel.H100,
        },
        new()
        {
            Name = "a100-1",
            Gpus = 4,
            Gpu = SimulatedGpuModel.A100,
        },
        new()
        {
            Name = "v100-1",
            Gpus = 4,
            Gpu = SimulatedGpuModel.V100,
        },
        new()
        {
            Name = "t4-1",
            Gpus = 4,
            Gpu = SimulatedGpuModel.T4,
        },
    ];

    /// <summary>
    /// Returns a start at least 12 hours in the past, so that time can run fast for hours without passing the wall clock. It is at least a
    /// week before the end of its month, because every job looks cheap at the end of a window.
    /// </summary>
    public static DateTimeOffset StartOf(DateTimeOffset wall)
    {
        var start = wall.AddHours(-12);
        start = start.AddTicks(-(start.Ticks % TimeSpan.TicksPerMinute));
        return start.AddDays(7).Month == start.Month ? start : start.AddDays(-7);
    }

    public static async Task CreateKindsAsync(KubeClient client, CancellationToken cancellationToken)
    {
        foreach (var (_, yaml) in CrdFiles.ReadAll())
            await client.CreateAsync<V1CustomResourceDefinition>(Read(yaml), null, cancellationToken);
        foreach (var ns in (string[])["bursar-system", "bursar-agents", "team-nlp", "team-vision"])
            await client.CreateAsync<V1Namespace>(Read($"metadata: {{name: {ns}}}"), null, cancellationToken);
    }

    public static async Task CreateBudgetsAsync(KubeClient client, CancellationToken cancellationToken)
    {
        await client.CreateAsync<V1Alpha1GpuBudget>(
            Read(
                """
                apiVersion: bursar.dev/v1alpha1
                kind: GpuBudget
                metadata: {name: nlp, namespace: team-nlp}
                spec:
                  limit: {cost: "60"}
                  inference: {whenExhausted: Zero}
                """
            ),
            "team-nlp",
            cancellationToken
        );
        await client.CreateAsync<V1Alpha1GpuBudget>(
            Read(
                """
                apiVersion: bursar.dev/v1alpha1
                kind: GpuBudget
                metadata: {name: vision, namespace: team-vision}
                spec:
                  limit: {cost: "5"}
                """
            ),
            "team-vision",
            cancellationToken
        );
    }

    public static async Task CreateWorkloadsAsync(KubeClient client, CancellationToken cancellationToken)
    {
        await client.CreateAsync<V1Deployment>(
            Read(
                """
                apiVersion: apps/v1
                kind: Deployment
                metadata: {name: chat, namespace: team-nlp}
                spec:
                  replicas: 1
                  selector:
                    matchLabels: {app: chat}
                  template:
                    metadata:
                      labels: {app: chat}
                      annotations: {sim.bursar.dev/work: inference, sim.bursar.dev/model: llama-3-8b, sim.bursar.dev/startup: 20s}
                    spec:
                      nodeSelector: {nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB}
                      containers:
                      - name: server
                        image: vllm:demo
                        ports: [{containerPort: 8000}]
                        resources:
                          limits: {nvidia.com/gpu: 1}
                """
            ),
            "team-nlp",
            cancellationToken
        );
        await TrainAsync(
            client,
            "team-nlp",
            "llama-finetune",
            SimulatedGpuModel.H100,
            gpus: 2,
            steps: 7200,
            stepTime: "1s",
            declared: "2h",
            cancellationToken
        );
        await TrainAsync(
            client,
            "team-nlp",
            "bert-distill",
            SimulatedGpuModel.T4,
            gpus: 1,
            steps: 3000,
            stepTime: "1s",
            declared: "50m",
            cancellationToken
        );
        await TrainAsync(
            client,
            "team-vision",
            "resnet-50",
            SimulatedGpuModel.V100,
            gpus: 1,
            steps: 4800,
            stepTime: "500ms",
            declared: "40m",
            cancellationToken
        );
        // The declared 20 minutes assume 40 ms per step. At 400 ms, the job takes 3 h 20 min.
        await TrainAsync(
            client,
            RunawayNamespace,
            RunawayJob,
            SimulatedGpuModel.V100,
            gpus: 1,
            steps: 30000,
            stepTime: "400ms",
            declared: RunawayDeclared,
            cancellationToken
        );
    }

    private static Task TrainAsync(
        KubeClient client,
        string ns,
        string name,
        SimulatedGpuModel gpu,
        int gpus,
        long steps,
        string stepTime,
        string declared,
        CancellationToken cancellationToken
    ) =>
        client.CreateAsync<V1Job>(
            Read(
                $$"""
                apiVersion: batch/v1
                kind: Job
                metadata:
                  name: {{name}}
                  namespace: {{ns}}
                  annotations:
                    bursar.dev/expected-duration: {{declared}}
                    bursar.dev/total-steps: "{{steps}}"
                spec:
                  backoffLimit: 3
                  template:
                    metadata:
                      annotations:
                        sim.bursar.dev/work: training
                        sim.bursar.dev/steps: "{{steps}}"
                        sim.bursar.dev/step-time: {{stepTime}}
                        sim.bursar.dev/startup: 10s
                        sim.bursar.dev/checkpoint-every: "500"
                        sim.bursar.dev/report: annotation,post
                        sim.bursar.dev/report-every: 10s
                    spec:
                      restartPolicy: Never
                      nodeSelector: {nvidia.com/gpu.product: {{gpu.Product}}}
                      containers:
                      - name: trainer
                        image: trainer:demo
                        resources:
                          limits: {nvidia.com/gpu: {{gpus}}}
                """
            ),
            ns,
            cancellationToken
        );

    private static JsonObject Read(string yaml) => (JsonObject)YamlBody.Parse(yaml)!;
}
