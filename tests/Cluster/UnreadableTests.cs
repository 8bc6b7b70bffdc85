using System.Text.Json.Nodes;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Operator.Api;
using Bursar.Operator.Kinds;
using Bursar.Tests.Cluster.Worlds;

namespace Bursar.Tests.Cluster;

/// <summary>Custom resources whose fields have other JSON types than Bursar expects: none of them leaves enforcement unseen.</summary>
public sealed class UnreadableTests
{
    private const string Numeric = """{"runtimeRef": {"name": "torch"}, "trainer": {"numNodes": 2, "resourcesPerNode": {"limits": {"nvidia.com/gpu": 1}}}}""";
    private const string Pods = """{"backoffLimit": 0, "template": {"metadata": {"labels": {"app": "gang", "jobset.sigs.k8s.io/jobset-name": "set"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}""";

    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Work_with_a_number_as_its_quantity_of_GPUs_is_forecast_and_suspended()
    {
        var scene = await WithAsync("TrainJob", "JobSet");
        await using var world = scene.World;
        await scene.BudgetAsync("4");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var top = await Kinds.CreateAsync(scene, "TrainJob", "numeric", Numeric, declared: "10h");
        var set = await Kinds.CreateAsync(scene, "JobSet", "numeric", Kinds.Spec("JobSet").Replace("\"nvidia.com/gpu\": \"1\"", "\"nvidia.com/gpu\": 1", StringComparison.Ordinal), declared: null, owner: ("TrainJob", "numeric", top));
        foreach (var rank in (string[])["numeric-0", "numeric-1"]) await Kinds.CreateAsync(scene, "Job", rank, Pods, declared: null, owner: ("JobSet", "numeric", set));
        await Kinds.UntilSuspendedAsync(scene, "TrainJob", "numeric");
        await scene.UntilAsync("the forecast is shown", async () => (await scene.StatusAsync())?.Workloads is [{ Kind: "TrainJob", Name: "numeric", State: "Parked", Gpus: 2 }]);
        var held = (await scene.StatusAsync())!.Suspended!.Single();
        (held.Kind, held.Name, held.CostToFinish).Should().Be(("TrainJob", "numeric", "61.200000"), "it is ten hours of two GPUs at 3.06");
        (await scene.UntilEventAsync("Suspended", "numeric")).Note.Should().Contain("61.20");
        (await scene.ConditionAsync("FullyEnforceable"))!.Status.Should().Be("True");
    }

    [Theory]
    [InlineData("TrainJob", """{"suspend": "false", "trainer": {"numNodes": "2", "resourcesPerNode": {"limits": {"nvidia.com/gpu": "1"}}}}""")]
    [InlineData("TrainJob", """{"activeDeadlineSeconds": {}, "labels": 7, "trainer": {"numNodes": 2, "resourcesPerNode": {"limits": {"nvidia.com/gpu": 1, "memory": []}}}}""")]
    [InlineData("JobSet", """{"suspend": "false", "replicatedJobs": [null, {"name": 1, "replicas": "2", "template": {"spec": {"parallelism": 1.5, "template": {"metadata": "none", "spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": 1}}}]}}}}}]}""")]
    [InlineData("RayJob", """{"shutdownAfterJobFinishes": "true", "rayClusterSpec": {"workerGroupSpecs": [{"replicas": "2", "template": {"spec": {"priority": "high", "containers": [{"resources": {"limits": {"nvidia.com/gpu": 1}}}]}}}]}}""")]
    public async Task Odd_fields_that_suspending_does_not_need_are_no_way_out(string kind, string spec)
    {
        var scene = await WithLooseAsync(kind);
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await Kinds.CreateAsync(scene, kind, "odd", spec);
        await scene.UntilAsync("it is suspended", async () => (await Kinds.GetAsync(scene, kind, "odd"))["spec"]!["suspend"] is JsonValue value && value.TryGetValue<bool>(out var suspended) && suspended);
    }

    [Fact]
    public async Task Work_that_cannot_be_read_is_named_everywhere_until_it_is_corrected()
    {
        var scene = await WithAsync("JobSet");
        await using var world = scene.World;
        await scene.BudgetAsync("50");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var set = await Kinds.CreateAsync(scene, "JobSet", "odd", """{"replicatedJobs": "two"}""", declared: null);
        await Kinds.CreateAsync(scene, "Job", "odd-0", Pods, declared: null, owner: ("JobSet", "odd", set));

        await scene.UntilAsync("its cost is unstoppable", async () => (await scene.StatusAsync())?.Unstoppable is { RatePerHour: "3.06", Workloads: ["JobSet/odd"] });
        var row = (await scene.StatusAsync())!.Workloads!.Single();
        (row.Kind, row.Name, row.State, row.Gpus).Should().Be(("JobSet", "odd", "Running", 1));
        row.Reason.Should().Contain("spec.replicatedJobs cannot be read (a text, not a list)");
        var condition = (await scene.ConditionAsync("FullyEnforceable"))!;
        condition.Status.Should().Be("False");
        condition.Message.Should().Contain("JobSet/odd");
        (await scene.UntilEventAsync("Unreadable", "odd")).Note.Should().Contain("spec.replicatedJobs (a text, not a list)");
        (await scene.UntilEventAsync("Unreadable", "b")).Note.Should().Contain("JobSet/odd").And.Contain("spec.replicatedJobs");
        (await CountAsync(scene, "JobSet")).Should().Be(1);
        await scene.PassAsync(60);
        (await scene.EventsAsync("Unreadable")).Should().HaveCount(2).And.OnlyContain(e => e.Series == null, "it is said once per object and reason");

        await PatchAsync(scene, "odd", JsonNode.Parse(Kinds.Spec("JobSet"))!);
        await scene.UntilConditionAsync("FullyEnforceable", "True");
        (await CountAsync(scene, "JobSet")).Should().Be(0);
        await scene.SetLimitAsync("0.01");
        await Kinds.UntilSuspendedAsync(scene, "JobSet", "odd");

        // The other way round: what becomes unreadable by an update does not stay in its old form.
        await PatchAsync(scene, "odd", new JsonObject { ["replicatedJobs"] = 7, ["suspend"] = false });
        await scene.UntilConditionAsync("FullyEnforceable", "False");
        (await scene.StatusAsync())!.Unstoppable!.Workloads.Should().Equal("JobSet/odd");
    }

    [Fact]
    public async Task Part_that_another_object_says_in_its_place_need_not_be_readable()
    {
        var scene = await WithAsync("TrainJob", "JobSet");
        await using var world = scene.World;
        await scene.BudgetAsync("4");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var top = await Kinds.CreateAsync(scene, "TrainJob", "tune", """{"trainer": ["torch"]}""", declared: "10h");
        await scene.UntilAsync("it is unstoppable", async () => (await scene.StatusAsync())?.Unstoppable?.Workloads is ["TrainJob/tune"]);
        await Kinds.CreateAsync(scene, "JobSet", "tune", Kinds.Spec("JobSet"), declared: null, owner: ("TrainJob", "tune", top));
        await Kinds.UntilSuspendedAsync(scene, "TrainJob", "tune");
    }

    [Fact]
    public async Task Pods_of_work_that_has_ended_are_named_while_they_cost_money()
    {
        var scene = await WithAsync("JobSet");
        await using var world = scene.World;
        await scene.BudgetAsync("50");
        var set = await Kinds.CreateAsync(scene, "JobSet", "over", Kinds.Spec("JobSet"), declared: null);
        await Kinds.CreateAsync(scene, "Job", "over-0", Pods, declared: null, owner: ("JobSet", "over", set));
        await scene.UntilAsync("it burns", async () => (await scene.StatusAsync())?.Workloads is [{ State: "Running" }]);
        await scene.World.Client.PatchAsync<V1Alpha2JobSet>("over", scene.Team, KubePatch.Merge(new JsonObject { ["status"] = new JsonObject { ["terminalState"] = "Completed" } }) with { Subresource = "status" }, Ct);
        await scene.UntilAsync("its pods are named", async () => (await scene.StatusAsync())?.Unstoppable is { RatePerHour: "3.06", Workloads: ["JobSet/over"] });
        (await scene.StatusAsync())!.Workloads!.Single().Reason.Should().Contain("has ended and its pods still run");
    }

    [Fact]
    public async Task Amounts_without_quotes_and_days_are_accepted()
    {
        var scene = await WithAsync();
        await using var world = scene.World;
        await scene.World.PostJsonAsync(V1Alpha1GpuBudget.EntityKind.Path(scene.Team), (JsonObject)Bursar.Sandbox.ApiServer.YamlBody.Parse("""
            apiVersion: bursar.dev/v1alpha1
            kind: GpuBudget
            metadata: {name: plain}
            spec: {limit: {cost: 30}, topUps: [{amount: 12, window: rolling}], window: {period: Rolling, length: 30d}, training: {settle: 90s}}
            """)!, Ct);
        await scene.UntilAsync("it is read", async () => (await scene.StatusAsync("plain"))?.Limit == "42.000000");
        (await scene.ConditionAsync("Ready", "plain"))!.Status.Should().Be("True");
    }

    private static async Task<double?> CountAsync(Scene scene, string kind) =>
        (await scene.World.MetricsAsync(Ct)).Single(sample => sample.Name == "bursar_unreadable_objects" && sample.Label("kind") == kind).Value;

    private static Task PatchAsync(Scene scene, string name, JsonNode spec) =>
        scene.World.Client.PatchAsync<V1Alpha2JobSet>(name, scene.Team, KubePatch.Merge(new JsonObject { ["spec"] = spec }), Ct);

    private static async Task<Scene> WithAsync(params string[] kinds)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await Kinds.ServeAsync(scene.World, kinds);
        await scene.World.StartOperatorAsync(Ct);
        return scene;
    }

    /// <summary>A kind whose definition says nothing of its fields.</summary>
    private static async Task<Scene> WithLooseAsync(string kind)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        var entity = WorkKinds.Of(kind)!.Entity;
        await scene.World.Client.CreateAsync<V1CustomResourceDefinition>((JsonObject)Bursar.Sandbox.ApiServer.YamlBody.Parse($$$"""
            metadata: {name: {{{entity.Plural}}}.{{{entity.Group}}}, annotations: {api-approved.kubernetes.io: unapproved}}
            spec:
              group: {{{entity.Group}}}
              names: {kind: {{{kind}}}, plural: {{{entity.Plural}}}, singular: {{{kind.ToLowerInvariant()}}}}
              scope: Namespaced
              versions:
              - {name: {{{entity.Version}}}, served: true, storage: true, subresources: {status: {}}, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true} } }
            """)!, null, Ct);
        await Kinds.UntilServedAsync(scene.World, entity);
        await scene.World.StartOperatorAsync(Ct);
        return scene;
    }
}
