using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>The cost of a job as annotations on it, if its budget asks for them.</summary>
public sealed class CostAnnotationTests
{
    private const string Cost = "bursar.dev/cost";
    private const string Projected = "bursar.dev/projected-cost";

    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Budget_that_asks_gets_the_cost_on_its_jobs_until_it_no_longer_does()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.JobAsync("train", declared: "2h", runFor: "2h");
        await scene.BudgetAsync("100");
        await scene.UntilRunsAsync("train");
        await scene.PassAsync(120);
        (await AnnotationsAsync(scene)).Should().NotContainKey(Cost, "no budget asks for it");

        await SwitchAsync(scene, true);
        await scene.UntilAsync(
            "the cost is on the job",
            async () => (await AnnotationsAsync(scene)).ContainsKey(Cost),
            TimeSpan.FromMinutes(2)
        );
        var first = await AnnotationsAsync(scene);
        first[Cost].Should().MatchRegex(@"^0\.\d\d USD$");
        first[Projected].Should().MatchRegex(@"^6\.\d\d USD$", "two hours at 3.06");
        (await ManagersAsync(scene, Cost)).Should().Equal("bursar-cost");

        await scene.PassAsync(240);
        (await AnnotationsAsync(scene))[Cost].Should().Be(first[Cost], "it is written at most every five minutes");
        await scene.UntilAsync(
            "it is written again",
            async () => (await AnnotationsAsync(scene))[Cost] != first[Cost],
            TimeSpan.FromMinutes(3)
        );

        await SwitchAsync(scene, false);
        await scene.UntilAsync(
            "both are removed",
            async () => await AnnotationsAsync(scene) is var left && !left.ContainsKey(Cost) && !left.ContainsKey(Projected),
            TimeSpan.FromMinutes(2)
        );
        (await AnnotationsAsync(scene)).Should().ContainKey("bursar.dev/expected-duration");
        (await scene.EventsAsync("AnnotationIgnored")).Should().BeEmpty("they are known");
    }

    [Fact]
    public async Task New_leader_removes_the_annotations_of_a_deleted_budget()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.JobAsync("train", declared: "2h", runFor: "2h");
        await scene.BudgetAsync("100", """{"costAnnotations": true}""");
        await scene.UntilAsync(
            "the cost is on the job",
            async () => (await AnnotationsAsync(scene)).ContainsKey(Cost),
            TimeSpan.FromMinutes(3)
        );

        await world.StopOperatorAsync();
        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("b", scene.Team, null, Ct);
        await world.StartOperatorAsync(Ct);

        await scene.UntilAsync("it is removed", async () => !(await AnnotationsAsync(scene)).ContainsKey(Cost), TimeSpan.FromMinutes(2));
    }

    private static async Task<IReadOnlyDictionary<string, string>> AnnotationsAsync(Scene scene) =>
        (await scene.World.JobAsync(scene.Team, "train", Ct)).Metadata.Annotations;

    private static async Task<string[]> ManagersAsync(Scene scene, string annotation)
    {
        var job = await scene.World.Client.RequestAsync(HttpMethod.Get, V1Job.EntityKind.Path(scene.Team, "train"), null, Ct);
        return
        [
            .. job!["metadata"]!["managedFields"]!
                .AsArray()
                .Where(entry => entry!["fieldsV1"]?["f:metadata"]?["f:annotations"]?["f:" + annotation] is not null)
                .Select(entry => (string)entry!["manager"]!),
        ];
    }

    private static Task SwitchAsync(Scene scene, bool on) =>
        scene.World.Client.PatchAsync<V1Alpha1GpuBudget>(
            "b",
            scene.Team,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["costAnnotations"] = on } }),
            Ct
        );
}
