using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.ApiServer;

namespace Bursar.Tests.EndToEnd.Worlds;

/// <summary>
/// Fakes of other managers, which react as their documentation and source describe. A test runs their passes again and again while it
/// waits.
/// </summary>
public abstract class FakeManager(Scene scene)
{
    protected static CancellationToken Ct => CancellationToken.None;

    protected Scene Scene { get; } = scene;

    public abstract Task RunPassAsync();

    /// <summary>Waits for something while this manager does its work.</summary>
    public Task UntilAsync(string what, Func<Task<bool>> holds, TimeSpan? within = null) =>
        Scene.UntilAsync(
            what,
            async () =>
            {
                await RunPassAsync();
                return await holds();
            },
            within
        );

    public async Task PassAsync(double seconds)
    {
        for (var passed = 0d; passed < seconds; passed += 0.5)
        {
            await RunPassAsync();
            await Scene.PassAsync(0.5);
        }
        await RunPassAsync();
    }

    /// <summary>A CRD that keeps whatever is in it.</summary>
    public static Task ServeAsync(Scene scene, EntityKind entity) =>
        scene.CreateAsync(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            YamlBody
                .Parse(
                    $$$"""
                    apiVersion: apiextensions.k8s.io/v1
                    kind: CustomResourceDefinition
                    metadata: {name: {{{entity.Plural}}}.{{{entity.Group}}}, annotations: {api-approved.kubernetes.io: unapproved}}
                    spec:
                      group: {{{entity.Group}}}
                      names: {kind: {{{entity.Kind}}}, plural: {{{entity.Plural}}}, singular: {{{entity.Kind.ToLowerInvariant()}}}}
                      scope: {{{(entity.Namespaced ? "Namespaced" : "Cluster")}}}
                      versions:
                      - name: {{{entity.Version}}}
                        served: true
                        storage: true
                        subresources: {status: {}}
                        schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
                    """
                )!
                .ToJsonString()
        );

    protected async Task<IReadOnlyList<JsonNode>> ListAsync(EntityKind entity) =>
        [
            .. (await Scene.World.Client.RequestAsync(HttpMethod.Get, entity.Path(entity.Namespaced ? Scene.Team : null), null, Ct))![
                "items"
            ]!
                .AsArray()
                .Select(item => item!),
        ];

    protected async Task MergeAsync(EntityKind entity, string name, string patch, string? subresource = null)
    {
        using var content = new StringContent(patch, System.Text.Encoding.UTF8, "application/merge-patch+json");
        await Scene.World.Client.RequestAsync(HttpMethod.Patch, entity.Path(Scene.Team, name, subresource), content, Ct);
    }

    public async Task<JsonNode?> GetAsync(EntityKind entity, string name)
    {
        try
        {
            return await Scene.World.Client.RequestAsync(HttpMethod.Get, entity.Path(Scene.Team, name), null, Ct);
        }
        catch (ApiException error) when (error.IsNotFound)
        {
            return null;
        }
    }
}

/// <summary>
/// Kueue's job reconciler (pkg/controller/jobframework/reconciler.go): one Workload for each job. A deactivated Workload is evicted (step
/// 6), an admitted one that is suspended is started (7), and one that runs without admission is suspended (8). Its queue gives quota in the
/// order of arrival.
/// </summary>
public sealed class FakeKueue(Scene scene, EntityKind workloads, EntityKind jobs) : FakeManager(scene)
{
    public const string Check = "budget";

    public FakeKueue(Scene scene)
        : this(scene, V1Workload.EntityKind, V1Job.EntityKind) { }

    /// <summary>The number of workloads that may have quota at once.</summary>
    public int Quota { get; set; } = 100;

    /// <summary>Whether the queue has the admission check <see cref="Check"/>.</summary>
    public bool Asks { get; init; }

    /// <summary>The number of times it set a job's spec.suspend to false, and to true.</summary>
    public int Starts { get; private set; }

    public int Stops { get; private set; }

    public static async Task<FakeKueue> ServeAsync(Scene scene, bool asks = false)
    {
        await ServeAsync(scene, V1Workload.EntityKind);
        await ServeAsync(scene, V1AdmissionCheck.EntityKind);
        if (asks)
            await scene.CreateAsync(
                V1AdmissionCheck.EntityKind.Path(null),
                """{"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "AdmissionCheck", "metadata": {"name": "budget"}, "spec": {"controllerName": "bursar.dev/budget"}}"""
            );
        return new(scene) { Asks = asks };
    }

    /// <summary>A job as Kueue's webhook lets it in: suspended.</summary>
    public Task JobAsync(string name, string declared = "1h") =>
        Scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{Scene.Team}/jobs",
            $$$"""
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "{{{name}}}", "labels": {"kueue.x-k8s.io/queue-name": "gpus"}, "annotations": {"bursar.dev/expected-duration": "{{{declared}}}"}},
             "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5,
               "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"} } }]} } } }
            """
        );

    public Task<JsonNode?> WorkloadAsync(string job) => GetAsync(workloads, $"{jobs.Kind.ToLowerInvariant()}-{job}");

    public async Task<bool?> IsActiveAsync(string job) => (bool?)(await WorkloadAsync(job))?["spec"]?["active"];

    public Task SetActiveAsync(string job, bool active) =>
        MergeAsync(workloads, $"{jobs.Kind.ToLowerInvariant()}-{job}", $$$"""{"spec": {"active": {{{(active ? "true" : "false")}}}}}""");

    public override async Task RunPassAsync()
    {
        var all = await ListAsync(workloads);
        var holding = all.Count(workload => Is(workload, "QuotaReserved"));
        foreach (var job in await ListAsync(jobs))
        {
            if (job["metadata"]!["labels"]?["kueue.x-k8s.io/queue-name"] is null)
                continue;
            var name = (string)job["metadata"]!["name"]!;
            var workload = all.FirstOrDefault(one =>
                (string?)one["metadata"]!["ownerReferences"]![0]!["uid"] == (string?)job["metadata"]!["uid"]
            );
            if (workload is null)
            {
                await MakeAsync(job, name);
                continue;
            }
            var suspended = (bool?)job["spec"]!["suspend"] == true;
            if ((bool?)workload["spec"]!["active"] == false)
            {
                if (!suspended)
                    await SuspendAsync(name, true);
                else if (Is(workload, "QuotaReserved"))
                    await StatusAsync(
                        workload,
                        """{"conditions": [{"type": "Evicted", "status": "True", "reason": "Deactivated"}], "admissionChecks": null}"""
                    );
            }
            else if (!Is(workload, "QuotaReserved"))
            {
                if (!suspended)
                    await SuspendAsync(name, true);
                else if (holding < Quota)
                {
                    holding++;
                    await StatusAsync(
                        workload,
                        Asks
                            ? $$$"""{"conditions": [{"type": "QuotaReserved", "status": "True"}], "admissionChecks": [{"name": "{{{Check}}}", "state": "Pending", "message": ""}]}"""
                            : """{"conditions": [{"type": "QuotaReserved", "status": "True"}, {"type": "Admitted", "status": "True"}]}"""
                    );
                }
            }
            else if (!Is(workload, "Admitted"))
            {
                if (workload["status"]!["admissionChecks"]!.AsArray().All(check => (string?)check!["state"] == "Ready"))
                    await StatusAsync(
                        workload,
                        """{"conditions": [{"type": "QuotaReserved", "status": "True"}, {"type": "Admitted", "status": "True"}]}"""
                    );
            }
            else if (suspended)
            {
                await SuspendAsync(name, false);
            }
        }
    }

    private async Task SuspendAsync(string name, bool suspend)
    {
        if (suspend)
            Stops++;
        else
            Starts++;
        await MergeAsync(jobs, name, $$$"""{"spec": {"suspend": {{{(suspend ? "true" : "false")}}}}}""");
    }

    private Task StatusAsync(JsonNode workload, string status) =>
        MergeAsync(workloads, (string)workload["metadata"]!["name"]!, $$$"""{"status": {{{status}}}}""", "status");

    private Task MakeAsync(JsonNode job, string name) =>
        Scene.CreateAsync(
            workloads.Path(Scene.Team),
            new JsonObject
            {
                ["apiVersion"] = workloads.ApiVersion,
                ["kind"] = "Workload",
                ["metadata"] = new JsonObject
                {
                    ["name"] = $"{jobs.Kind.ToLowerInvariant()}-{name}",
                    ["labels"] = new JsonObject { ["kueue.x-k8s.io/job-uid"] = (string)job["metadata"]!["uid"]! },
                    ["ownerReferences"] = new JsonArray(
                        new JsonObject
                        {
                            ["apiVersion"] = jobs.ApiVersion,
                            ["kind"] = jobs.Kind,
                            ["name"] = name,
                            ["uid"] = (string)job["metadata"]!["uid"]!,
                            ["controller"] = true,
                        }
                    ),
                },
                ["spec"] = new JsonObject { ["queueName"] = "gpus", ["active"] = true },
            }.ToJsonString()
        );

    private static bool Is(JsonNode workload, string condition) =>
        workload["status"]?["conditions"]?.AsArray().Any(one => (string?)one!["type"] == condition && (string?)one["status"] == "True")
        == true;
}

/// <summary>
/// KEDA's loop (pkg/scaling/executor/scale_scaledobjects.go): every 30 s an active trigger lifts its target from zero to the least count;
/// a ScaledObject with paused-replicas is scaled to that number at once and then left alone.
/// </summary>
public sealed class FakeKeda(Scene scene) : FakeManager(scene)
{
    private DateTimeOffset _polled = DateTimeOffset.MinValue;

    public bool TriggerIsActive { get; set; } = true;

    public int Lifts { get; private set; }

    public override async Task RunPassAsync()
    {
        var polls = Scene.World.Time.GetUtcNow() - _polled >= TimeSpan.FromSeconds(30);
        foreach (var scaler in await ListAsync(V1ScaledObject.EntityKind))
        {
            var target = (string)scaler["spec"]!["scaleTargetRef"]!["name"]!;
            var replicas = await Scene.ReplicasAsync(target);
            if ((string?)scaler["metadata"]!["annotations"]?["autoscaling.keda.sh/paused-replicas"] is { } paused)
            {
                if (int.Parse(paused, CultureInfo.InvariantCulture) is var wanted && wanted != replicas)
                    await ScaleAsync(target, wanted);
            }
            else if (
                (string?)scaler["metadata"]!["annotations"]?["autoscaling.keda.sh/paused"] != "true"
                && polls
                && replicas == 0
                && TriggerIsActive
            )
            {
                Lifts++;
                await ScaleAsync(target, Math.Max(1, (int?)scaler["spec"]!["minReplicaCount"] ?? 0));
            }
        }
        if (polls)
            _polled = Scene.World.Time.GetUtcNow();
    }

    private Task ScaleAsync(string deployment, int replicas) =>
        MergeAsync(V1Deployment.EntityKind, deployment, $$$"""{"spec": {"replicas": {{{replicas}}}}}""", "scale");
}

/// <summary>
/// A HorizontalPodAutoscaler's controller (pkg/controller/podautoscaler/horizontal.go): it acts every 15 s within its bounds. Zero replicas
/// disable it, unless its minimum is zero.
/// </summary>
public sealed class FakeAutoscaler(Scene scene) : FakeManager(scene)
{
    private DateTimeOffset _polled = DateTimeOffset.MinValue;

    public override async Task RunPassAsync()
    {
        if (Scene.World.Time.GetUtcNow() - _polled < TimeSpan.FromSeconds(15))
            return;
        _polled = Scene.World.Time.GetUtcNow();
        foreach (var scaler in await ListAsync(V1HorizontalPodAutoscaler.EntityKind))
        {
            var target = (string)scaler["spec"]!["scaleTargetRef"]!["name"]!;
            var replicas = await Scene.ReplicasAsync(target);
            var least = (int?)scaler["spec"]!["minReplicas"] ?? 1;
            if (replicas == 0 && least > 0)
                continue;
            var wanted = Math.Clamp(Math.Max(1, replicas), least, (int)scaler["spec"]!["maxReplicas"]!);
            if (wanted != replicas)
                await MergeAsync(V1Deployment.EntityKind, target, $$$"""{"spec": {"replicas": {{{wanted}}}}}""", "scale");
        }
    }
}

/// <summary>
/// KServe in its Standard mode (pkg/controller/v1beta1/inferenceservice): a Deployment and an HPA of each InferenceService, whose bounds it
/// clamps to one at least; with the stop annotation neither.
/// </summary>
public sealed class FakeKServe(Scene scene) : FakeManager(scene)
{
    public override async Task RunPassAsync()
    {
        foreach (var service in await ListAsync(V1Beta1InferenceService.EntityKind))
        {
            var name = (string)service["metadata"]!["name"]!;
            var deployment = await GetAsync(V1Deployment.EntityKind, $"{name}-predictor");
            var stopped = (string?)service["metadata"]!["annotations"]?["serving.kserve.io/stop"] == "true";
            if (stopped)
            {
                if (deployment is not null)
                    await Scene.World.Client.DeleteAsync<V1Deployment>($"{name}-predictor", Scene.Team, null, Ct);
                continue;
            }
            if (deployment is null)
                await MakeAsync(service, name);
            else if ((int?)deployment["spec"]!["replicas"] == 0)
                await MergeAsync(V1Deployment.EntityKind, $"{name}-predictor", """{"spec": {"replicas": 1}}""", "scale");
        }
    }

    private Task MakeAsync(JsonNode service, string name) =>
        Scene.CreateAsync(
            $"/apis/apps/v1/namespaces/{Scene.Team}/deployments",
            $$$$$"""
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "{{{{{name}}}}}-predictor", "labels": {"serving.kserve.io/inferenceservice": "{{{{{name}}}}}"},
               "ownerReferences": [{"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "{{{{{name}}}}}", "uid": "{{{{{(string)
                service["metadata"]!["uid"]!}}}}}", "controller": true}]},
             "spec": {"replicas": {{{{{Math.Max(
                1,
                (int?)service["spec"]!["predictor"]!["minReplicas"] ?? 1
            )}}}}}, "selector": {"matchLabels": {"app": "isvc.{{{{{name}}}}}-predictor"}},
               "template": {"metadata": {"labels": {"app": "isvc.{{{{{name}}}}}-predictor", "serving.kserve.io/inferenceservice": "{{{{{name}}}}}"}},
                 "spec": {"terminationGracePeriodSeconds": 5, "containers": [{"name": "kserve-container", "image": "example/server", "resources": {{{{{service[
                "spec"
            ]!["predictor"]!["model"]!["resources"]!.ToJsonString()}}}}}}]}}}}
            """
        );
}
