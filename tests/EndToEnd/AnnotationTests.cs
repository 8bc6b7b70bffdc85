using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Annotations of users that Bursar cannot read, as the users see them (case G5).</summary>
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
        await scene.UntilAsync("it is projected", async () =>
            (await scene.StatusAsync())?.Workloads is [{ State: "Running", Projected: { } projected }]
            && projected.StartsWith("110.1", StringComparison.Ordinal)
        );
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
        told.Note.Should().ContainAll("bursar.dev/expected-duration", "2 hours", "2h30m");
        await scene.UntilAsync("the status reports why its duration is unknown", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Reason: { } reason }]
            && reason.Contains("annotation bursar.dev/expected-duration \"2 hours\" cannot be read", StringComparison.Ordinal)
        );

        // Once for each value, however often the object changes.
        await scene.PassAsync(30);
        await AnnotateAsync(scene, "odd", "bursar.dev/expected-duration", "two hours");
        await scene.UntilAsync("the other value is reported too", async () =>
            (await scene.EventsAsync("AnnotationIgnored", "odd")).Count == 2
        );
        await AnnotateAsync(scene, "odd", "bursar.dev/expected-duration", "2h");
        await scene.UntilAsync("its length is known", async () => (await scene.StatusAsync())?.Workloads is [{ Eta.Source: "declared" }]);
        (await scene.EventsAsync("AnnotationIgnored", "odd")).Should().HaveCount(2).And.OnlyContain(one => one.Series == null);
    }

    [Fact]
    public async Task Annotation_of_a_pod_template_that_cannot_be_read_is_an_Event_on_the_workload()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            """
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "templated"}, "spec": {"template": {"metadata": {"annotations": {"bursar.dev/priority": "high"}},
             "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """
        );
        (await scene.UntilEventAsync("AnnotationIgnored", "templated")).Regarding!.Kind.Should().Be("Job");
        (await scene.EventsAsync("AnnotationIgnored")).Should().ContainSingle("its pods carry the annotation for it");
    }

    [Fact]
    public async Task Annotation_of_a_jobTemplate_that_cannot_be_read_is_one_Event_on_the_CronJob()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1000");
        await scene.CreateAsync(
            V1CronJob.EntityKind.Path(scene.Team),
            """
            {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "often"},
             "spec": {"schedule": "* * * * *", "jobTemplate": {"metadata": {"annotations": {"bursar.dev/expected-duration": "2 hours"}}, "spec": {"template":
              {"metadata": {"annotations": {"sim.bursar.dev/run-for": "10s"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}}}
            """
        );
        await scene.PassAsync(200);

        (await world.Client.ListAsync<V1Job>(new() { Namespace = scene.Team }, Ct)).Items.Should().HaveCountGreaterThan(2);
        var reported = (await scene.EventsAsync("AnnotationIgnored")).Should().ContainSingle().Which;
        (reported.Regarding!.Kind, reported.Regarding.Name).Should().Be(("CronJob", "often"));
        reported.Note.Should().ContainAll("bursar.dev/expected-duration", "2 hours");
        reported.Series.Should().BeNull();
    }

    /// <summary>Kubernetes copies annotations of the jobTemplate to the runs, but not those of the CronJob.</summary>
    [Fact]
    public async Task Annotations_of_a_CronJob_apply_to_its_runs()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1000");
        const string pods =
            """{"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}""";
        await scene.CreateAsync(
            V1CronJob.EntityKind.Path(scene.Team),
            $$$$$$$$"""
            {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "annotations": {"bursar.dev/expected-duration": "2h", "bursar.dev/priority": "high", "bursar.dev/class": "inference"}},
             "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": {{{{{{{{pods}}}}}}}}}}}}}
            """
        );
        var uid = (await world.Client.GetAsync<V1CronJob>("nightly", scene.Team, Ct)).Metadata.Uid;
        await scene.CreateAsync(
            V1Job.EntityKind.Path(scene.Team),
            $$$$$$$$"""
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "nightly-1", "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "{{{{{{{{uid}}}}}}}}", "controller": true}]},
             "spec": {"template": {"spec": {{{{{{{{pods}}}}}}}}}}}
            """
        );
        await scene.UntilAsync("its length is known", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Name: "nightly-1", Eta.Source: "declared", Projected: { } projected }]
            && projected.StartsWith("6.12", StringComparison.Ordinal)
        );
        await scene.UntilAsync("what is ignored is reported", async () =>
            (await scene.EventsAsync("AnnotationIgnored", "nightly")).Count == 2
        );
        (await scene.EventsAsync("AnnotationIgnored", "nightly"))
            .Select(one => one.Note)
            .Order(StringComparer.Ordinal)
            .Should()
            .SatisfyRespectively(
                note => note.Should().ContainAll("bursar.dev/class", "CronJob nightly", "the workload itself"),
                note => note.Should().ContainAll("bursar.dev/priority", "high", "CronJob nightly", "10 or -5")
            );

        // The user's value that is nearest to the run counts.
        await world.Client.PatchAsync<V1CronJob>(
            "nightly",
            scene.Team,
            KubePatch.Merge(JsonNode.Parse("""{"metadata": {"annotations": {"bursar.dev/expected-duration": "4h"}}}""")!),
            Ct
        );
        await scene.UntilAsync("a change counts", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Projected: { } projected }]
            && projected.StartsWith("12.24", StringComparison.Ordinal)
        );
        await AnnotateAsync(scene, "nightly-1", "bursar.dev/expected-duration", "1h");
        await scene.UntilAsync("its own comes first", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Projected: { } projected }]
            && projected.StartsWith("3.06", StringComparison.Ordinal)
        );
    }

    /// <summary>Kubeflow Trainer copies spec.annotations to the JobSet, beside those of the runtime.</summary>
    [Fact]
    public async Task Annotations_of_a_TrainJobs_spec_and_runtime_apply_to_it()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await Kinds.ServeAsync(world, "TrainJob", "JobSet");
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var top = await Kinds.CreateAsync(
            scene,
            "TrainJob",
            "tune",
            """
            {"annotations": {"bursar.dev/expected-duration": "10h", "bursar.dev/class": "inference"}, "trainer": {"numNodes": 2, "resourcesPerNode": {"limits": {"nvidia.com/gpu": "1"}}}}
            """,
            declared: null
        );
        await Kinds.UntilSuspendedAsync(scene, "TrainJob", "tune");
        await scene.UntilAsync("the forecast is shown", async () =>
            (await scene.StatusAsync())?.Suspended is [{ Name: "tune", CostToFinish: "61.200000" }]
        );
        (await scene.UntilEventAsync("AnnotationIgnored", "tune"))
            .Note.Should()
            .ContainAll("bursar.dev/class", "spec.annotations", "the workload itself");

        var set = await Kinds.CreateAsync(scene, "JobSet", "tune", Kinds.Spec("JobSet"), declared: "10h", owner: ("TrainJob", "tune", top));
        await world.Client.PatchAsync<V1Alpha2JobSet>(
            "tune",
            scene.Team,
            KubePatch.Merge(JsonNode.Parse("""{"metadata": {"annotations": {"bursar.dev/total-steps": "many"}}}""")!),
            Ct
        );
        await scene.UntilAsync("the runtime's is reported", async () =>
            (await scene.EventsAsync("AnnotationIgnored", "tune")).Any(one =>
                one.Note!.Contains("of its JobSet tune is ignored", StringComparison.Ordinal)
            )
        );
        (await scene.EventsAsync("AnnotationIgnored", "tune"))
            .Should()
            .HaveCount(2)
            .And.OnlyContain(one => one.Regarding!.Kind == "TrainJob");
    }

    private static Task AnnotateAsync(Scene scene, string job, string name, string value) =>
        scene.World.Client.PatchAsync<V1Job>(
            job,
            scene.Team,
            KubePatch.Merge(new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [name] = value } } }),
            Ct
        );
}
