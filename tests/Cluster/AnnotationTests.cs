using System.Text.Json.Nodes;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Tests.Cluster.Worlds;

namespace Bursar.Tests.Cluster;

/// <summary>What users write on their workloads and Bursar cannot read, as they see it (case G5).</summary>
public sealed class AnnotationTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Days_are_read()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1000");
        await scene.JobAsync("long", declared: "1d12h", runFor: "36h");
        // 36 hours at 3.06.
        await scene.UntilAsync("it is projected", async () => (await scene.StatusAsync())?.Workloads is [{ State: "Running", Projected: { } projected }] && projected.StartsWith("110.1", StringComparison.Ordinal));
        (await scene.EventsAsync("AnnotationIgnored")).Should().BeEmpty();
    }

    [Fact]
    public async Task Duration_that_cannot_be_read_is_an_Event_and_named_in_the_status()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1000");
        await scene.JobAsync("odd", declared: "2 hours", runFor: "2h");
        var told = await scene.UntilEventAsync("AnnotationIgnored", "odd");
        told.Type.Should().Be("Warning");
        told.Note.Should().Be("Annotation bursar.dev/expected-duration: \"2 hours\" is ignored because it cannot be read. Accepted: a duration above zero such as 90s, 2h30m, 3d or 1d12h.");
        await scene.UntilAsync("the status says why its length is unknown", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Reason: { } reason }] && reason.Contains("annotation bursar.dev/expected-duration \"2 hours\" cannot be read", StringComparison.Ordinal));

        // Once for each value, however often the object changes.
        await scene.PassAsync(30);
        await AnnotateAsync(scene, "odd", "bursar.dev/expected-duration", "two hours");
        await scene.UntilAsync("the other value is told too", async () => (await scene.EventsAsync("AnnotationIgnored", "odd")).Count == 2);
        await AnnotateAsync(scene, "odd", "bursar.dev/expected-duration", "2h");
        await scene.UntilAsync("its length is known", async () => (await scene.StatusAsync())?.Workloads is [{ Eta.Source: "declared" }]);
        (await scene.EventsAsync("AnnotationIgnored", "odd")).Should().HaveCount(2).And.OnlyContain(one => one.Series == null);
    }

    [Fact]
    public async Task Annotation_of_a_pod_template_that_cannot_be_read_is_an_Event_on_the_workload()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.CreateAsync($"/apis/batch/v1/namespaces/{scene.Team}/jobs", """
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "templated"}, "spec": {"template": {"metadata": {"annotations": {"bursar.dev/priority": "high"}},
             "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """);
        (await scene.UntilEventAsync("AnnotationIgnored", "templated")).Regarding!.Kind.Should().Be("Job");
        (await scene.EventsAsync("AnnotationIgnored")).Should().ContainSingle("its pods carry the annotation for it");
    }

    private static Task AnnotateAsync(Scene scene, string job, string name, string value) =>
        scene.World.Client.PatchAsync<V1Job>(job, scene.Team, KubePatch.Merge(new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [name] = value } } }), Ct);
}
