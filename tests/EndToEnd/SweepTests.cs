using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// Sweeps that end before all their pieces have succeeded, the same on the embedded cluster and with the real kube-controller-manager.
/// </summary>
internal static class EarlyEnds
{
    private const decimal PerHour = 3.06m;

    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>
    /// Sweeps that are suspended midway. The rest costs no more than a few pieces, and a limit that covers these resumes them. Counting
    /// failed indexes, or pieces after an early success, as still to come would need many more.
    /// </summary>
    /// <remarks>Cases C4 and C5. Pieces take 20 s, which leaves a busy machine the time to see the states in between.</remarks>
    public static async Task SweepResumesWithTheCostOfWhatIsLeftAsync(Scene scene)
    {
        (string Name, string Spec, int Parallelism, string Pods, string Completed, string? Failed, int Pieces, string Reason)[] sweeps =
        [
            // 16 of 20 have ended and 4 are left: at most 24 pieces with the repeated ones, and 32 with possible failures.
            (
                "failures",
                """{"completions": 20, "backoffLimitPerIndex": 0}""",
                16,
                """{"sim.bursar.dev/fail-indexes": "4-15"}""",
                "0-3",
                "4-15",
                28,
                "FailedIndexes"
            ),
            // 2 of 3 have succeeded: at most 6 pieces, and 40 if all were to come.
            (
                "count",
                """{"completions": 40, "successPolicy": {"rules": [{"succeededCount": 3}]}}""",
                2,
                "{}",
                "0,1",
                null,
                15,
                "SuccessPolicy"
            ),
            (
                "indexes",
                """{"completions": 40, "successPolicy": {"rules": [{"succeededIndexes": "0-39"}, {"succeededIndexes": "0-2"}]}}""",
                2,
                "{}",
                "0,1",
                null,
                15,
                "SuccessPolicy"
            ),
            (
                "some-indexes",
                """{"completions": 40, "successPolicy": {"rules": [{"succeededIndexes": "0-9", "succeededCount": 3}]}}""",
                2,
                "{}",
                "0,1",
                null,
                15,
                "SuccessPolicy"
            ),
        ];
        foreach (var (name, spec, parallelism, pods, _, _, _, _) in sweeps)
        {
            await scene.BudgetAsync(
                "100",
                $$$$"""{"selector": {"matchLabels": {"sweep": "{{{{name}}}}"}}, "training": {"settle": "0s"}}""",
                name
            );
            await CreateAsync(scene, name, spec, parallelism, "20s", pods);
        }
        foreach (var (name, _, _, _, completed, failed, _, _) in sweeps)
        {
            await scene.UntilAsync(
                $"the first pieces of {name} have ended",
                async () =>
                    (await scene.World.JobAsync(scene.Team, name, Ct)).Status is { } status
                    && (status.CompletedIndexes, status.FailedIndexes) == (completed, failed),
                TimeSpan.FromMinutes(2)
            );
            await scene.SetLimitAsync("0.001", name);
            await scene.UntilSuspendedAsync(name);
        }
        foreach (var (name, _, _, _, completed, failed, pieces, _) in sweeps)
        {
            await scene.UntilAsync($"{name} is stopped", async () =>
                (await scene.World.JobAsync(scene.Team, name, Ct)).Status is { Active: null or 0, Terminating: null or 0 }
            );
            var status = (await scene.World.JobAsync(scene.Team, name, Ct)).Status;
            (status.CompletedIndexes, status.FailedIndexes).Should().Be((completed, failed), name);
            var piece = await PieceAsync(scene, name);
            await scene.UntilAsync($"{name} is reported as suspended", async () => (await scene.StatusAsync(name))?.Suspended is [_]);
            Money((await scene.StatusAsync(name))!.Suspended![0].CostToFinish!).Should().BeLessThan(6 * piece, name);
            await scene.SetLimitAsync((pieces * piece).ToString("0.000000", CultureInfo.InvariantCulture), name);
            await scene.UntilResumedAsync(name);
        }
        foreach (var (name, _, _, _, _, _, pieces, reason) in sweeps)
        {
            await scene.UntilAsync(
                $"{name} has ended",
                async () =>
                    (await scene.World.JobAsync(scene.Team, name, Ct)).Status.Conditions.Any(one =>
                        one is { Type: "Failed" or "Complete", Status: "True" }
                    ),
                TimeSpan.FromMinutes(3)
            );
            var job = await scene.World.JobAsync(scene.Team, name, Ct);
            job.Status.Conditions.Single(one => one is { Type: "Failed" or "Complete", Status: "True" }).Reason.Should().Be(reason, name);
            job.Metadata.Generation.Should().Be(3, "{0} is suspended once and resumed once", name);
        }
    }

    /// <summary>A sweep that fails with more failed indexes than it may have reserves nothing for the pieces it stops.</summary>
    public static async Task SweepWithTooManyFailedIndexesReservesNothingAsync(Scene scene)
    {
        await scene.BudgetAsync("100");
        await CreateAsync(
            scene,
            "failing",
            """{"completions": 40, "backoffLimitPerIndex": 0, "maxFailedIndexes": 2}""",
            4,
            "15s",
            """{"sim.bursar.dev/run-for-per-index": "15s", "sim.bursar.dev/fail-indexes": "1-39"}"""
        );
        await scene.UntilAsync(
            "its pieces are reserved",
            async () =>
                (await scene.StatusAsync()) is { Reserved: { } reserved, Workloads: [{ State: "Running", Eta.Source: "completions" }] }
                && Money(reserved) > 0,
            TimeSpan.FromMinutes(2)
        );
        await scene.UntilAsync(
            "it has failed",
            async () =>
                (await scene.World.JobAsync(scene.Team, "failing", Ct)).Status.Conditions.Any(one =>
                    one is { Type: "Failed", Status: "True", Reason: "MaxFailedIndexesExceeded" }
                ),
            TimeSpan.FromMinutes(3)
        );
        await scene.UntilAsync(
            "it is reported as ended",
            async () =>
                (await scene.StatusAsync())
                    is {
                        Reserved: "0.000000",
                        BurnRatePerHour: "0.00",
                        Workloads: null or { Count: 0 },
                        Ended: [{ Name: "failing" }]
                    } status
                && status.Projected == status.Spent,
            TimeSpan.FromMinutes(3)
        );
    }

    private static Task CreateAsync(Scene scene, string name, string spec, int parallelism, string runFor, string pods)
    {
        var job = JsonNode.Parse(spec)!.AsObject();
        (job["completionMode"], job["parallelism"]) = ("Indexed", parallelism);
        job["template"] = JsonNode.Parse(
            $$$$"""
            {"metadata": {"labels": {"sweep": "{{{{name}}}}"}, "annotations": {"sim.bursar.dev/run-for": "{{{{runFor}}}}"}},
             "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}} ]} }
            """
        );
        foreach (var (key, value) in JsonNode.Parse(pods)!.AsObject())
            job["template"]!["metadata"]!["annotations"]![key] = value!.DeepClone();
        return scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            new JsonObject
            {
                ["apiVersion"] = "batch/v1",
                ["kind"] = "Job",
                ["metadata"] = new JsonObject { ["name"] = name },
                ["spec"] = job,
            }.ToJsonString()
        );
    }

    /// <summary>The average cost of a piece of a Job.</summary>
    private static async Task<decimal> PieceAsync(Scene scene, string job)
    {
        var pods = (
            await scene.World.Client.ListAsync<V1Pod>(
                new() { Namespace = scene.Team, LabelSelector = $"batch.kubernetes.io/job-name={job}" },
                Ct
            )
        ).Items;
        var times = pods.Where(pod => pod.Metadata.DeletionTimestamp is null)
            .Select(pod => PodTimes.FinishedAt(pod) - PodTimes.ScheduledAt(pod))
            .OfType<TimeSpan>()
            .ToArray();
        times.Should().NotBeEmpty();
        return PerHour * times.Sum(time => time.Ticks) / times.Length / TimeSpan.TicksPerHour;
    }

    private static decimal Money(string amount) => decimal.Parse(amount, CultureInfo.InvariantCulture);
}

/// <summary>Jobs that run in waves, and how many GPUs work holds at the same time, as a budget's status shows them.</summary>
public sealed class SweepTests
{
    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>Cases C1 and C2 with pieces of six minutes: 60 pieces cost 18.36, where "60 pieces x 10 GPUs" is 184.</summary>
    [Theory]
    [InlineData(60, 10, 18.36)]
    [InlineData(10, 1, 3.06)]
    public async Task Sweep_is_projected_at_its_cost_and_runs_to_its_end(int completions, int parallelism, decimal cost)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await JobAsync(scene, "sweep", completions, parallelism, runFor: "6m");
        await FollowAsync(scene, "sweep", completions, cost);
    }

    /// <summary>
    /// A sweep whose user lowers the parallelism, sets it to zero and raises it, while the cluster deletes pods that ended. What was
    /// stopped is spent, and is no part of the time of the pieces to come.
    /// </summary>
    [Fact]
    public async Task Sweep_whose_parallelism_changes_is_projected_at_its_cost()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await JobAsync(scene, "sweep", completions: 60, parallelism: 10, runFor: "6m");
        var changes = new Queue<(int Minute, int Parallelism)>([(9, 3), (14, 0), (18, 10), (27, 4)]);
        var begun = world.Time.GetUtcNow();
        var seen = new List<(int Changes, decimal Projected)>();
        await scene.UntilAsync(
            "it is done",
            async () =>
            {
                await scene.PassAsync(30);
                var job = await world.JobAsync(scene.Team, "sweep", Ct);
                job.Spec.Suspend.Should().NotBe(true, "after {0} completions", job.Status.Succeeded);
                if (
                    job.Status.Succeeded < 60
                    && (await scene.StatusAsync()) is { Workloads: [{ Eta.Source: "completions" }], Projected: { } projected }
                )
                    seen.Add((changes.Count, Money(projected)));
                foreach (
                    var pod in (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Where(PodTimes.IsOver)
                )
                    await world.Client.DeleteAsync<V1Pod>(pod.Metadata.Name, scene.Team, null, Ct);
                if (changes.TryPeek(out var next) && world.Time.GetUtcNow() >= begun.AddMinutes(next.Minute))
                    await world.Client.PatchAsync<V1Job>(
                        "sweep",
                        scene.Team,
                        KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["parallelism"] = changes.Dequeue().Parallelism } }),
                        Ct
                    );
                return job.Status.Succeeded == 60;
            },
            TimeSpan.FromHours(6)
        );
        await scene.UntilAsync("its cost is final", async () => (await scene.StatusAsync()) is { BurnRatePerHour: "0.00" });
        var cost = Money((await scene.StatusAsync())!.Spent!);
        cost.Should().BeGreaterThan(18.36m * 1.05m, "pieces were stopped and began again");
        seen.Where(one => one.Changes == 0)
            .Should()
            .NotBeEmpty()
            .And.OnlyContain(one => Math.Abs(one.Projected - cost) < cost * 0.07m, "it costs {0}", cost);
    }

    [Fact]
    public async Task Sweep_that_does_not_fit_is_suspended_before_the_budget_is_used_up()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("8");
        await JobAsync(scene, "sweep", completions: 60, parallelism: 10, runFor: "6m");
        await scene.UntilSuspendedAsync("sweep", TimeSpan.FromMinutes(20));
        Money((await scene.StatusAsync())!.Spent!).Should().BeLessThan(6m);
    }

    [Fact]
    public async Task Suspended_sweep_needs_the_time_of_the_pieces_that_are_left()
    {
        // Case C3: 2 h of 10 h are left, and 6.12 with the headroom fits where 30.60 does not.
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await JobAsync(scene, "sweep", completions: 5, parallelism: 1, runFor: "1m", declared: "10h");
        await scene.UntilAsync(
            "four of five have ended",
            async () =>
            {
                await scene.PassAsync(5);
                return (await world.JobAsync(scene.Team, "sweep", Ct)).Status.Succeeded >= 4;
            },
            TimeSpan.FromMinutes(20)
        );
        await scene.SuspendAsync("sweep", true);
        await scene.UntilAsync("its pods that ran are gone", async () =>
            (await world.JobAsync(scene.Team, "sweep", Ct)).Status is { Active: null or 0 }
        );
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("8");
        await scene.SuspendAsync("sweep", false);
        await scene.UntilAsync("it is projected", async () =>
            (await scene.StatusAsync())?.Workloads is [{ State: "Running", Projected: { } projected }] && Money(projected) < 1m
        );
        (await scene.IsSuspendedAsync("sweep")).Should().BeFalse();
    }

    [Fact]
    public async Task Sweep_that_ends_early_resumes_with_the_cost_of_what_is_left()
    {
        var scene = await Scene.SandboxAsync(
            more:
            [
                new FleetNode
                {
                    Name = "gpu-2",
                    Gpu = SimulatedGpuModel.V100,
                    Gpus = 32,
                },
            ]
        );
        await using var world = scene.World;
        await EarlyEnds.SweepResumesWithTheCostOfWhatIsLeftAsync(scene);
    }

    [Fact]
    public async Task Sweep_with_too_many_failed_indexes_reserves_nothing()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await EarlyEnds.SweepWithTooManyFailedIndexesReservesNothingAsync(scene);
    }

    [Fact]
    public async Task JobSet_of_sweeps_is_projected_at_its_cost()
    {
        // Two Jobs of six pieces of three minutes, two at a time.
        var scene = await ServingAsync("20", "JobSet");
        await using var world = scene.World;
        var job = SpecOf(completions: 6, parallelism: 2, runFor: "3m");
        await JobSetAsync(
            scene,
            "sweeps",
            $$$$"""{"replicatedJobs": [{"name": "w", "replicas": 2, "template": {"spec": {{{{job}}}}}}]}""",
            declared: null,
            ("w", 0, job),
            ("w", 1, job)
        );
        var seen = await ProjectionsAsync(scene, "sweeps", "sweeps-w-0", "sweeps-w-1");
        seen.Should().NotBeEmpty().And.OnlyContain(one => Math.Abs(one - 1.836m) < 0.15m);
    }

    /// <summary>The first Job that completes completes the JobSet, and JobSet's controller deletes the others.</summary>
    [Fact]
    public async Task JobSet_that_one_Job_completes_is_projected_to_the_first_of_them()
    {
        // Pieces of three minutes, one at a time: six of them against sixty.
        var scene = await ServingAsync("20", "JobSet");
        await using var world = scene.World;
        var (@long, @short) = (SpecOf(completions: 60, parallelism: 1, runFor: "3m"), SpecOf(completions: 6, parallelism: 1, runFor: "3m"));
        await JobSetAsync(
            scene,
            "race",
            $$$$"""
            {"successPolicy": {"operator": "Any"}, "replicatedJobs": [{"name": "long", "template": {"spec": {{{{@long}}}}}}, {"name": "short", "template": {"spec": {{{{@short}}}}}}]}
            """,
            declared: null,
            ("long", 0, @long),
            ("short", 0, @short)
        );
        var seen = await ProjectionsAsync(scene, "race", "race-short-0");
        // Two GPUs for 18 minutes at 3.06.
        seen.Take(seen.Count - 1).Should().NotBeEmpty().And.OnlyContain(one => Math.Abs(one - 1.836m) < 0.2m);
    }

    [Theory]
    [InlineData(3600, 7200, "3.06")]
    [InlineData(7200, 3600, "3.06")]
    [InlineData(7200, null, "6.12")]
    public async Task JobSet_is_projected_to_the_first_of_its_deadlines(int ofSet, int? ofJob, string projected)
    {
        var scene = await ServingAsync("1000", "JobSet");
        await using var world = scene.World;
        var job = $$$$$$$$"""
            {"activeDeadlineSeconds": {{{{{{{{ofJob?.ToString(CultureInfo.InvariantCulture)
                ?? "null"}}}}}}}}, "template": {"metadata": {"annotations": {"sim.bursar.dev/run-for": "10h"}},
             "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}
            """;
        await JobSetAsync(
            scene,
            "bounded",
            $$$$$$$$"""{"activeDeadlineSeconds": {{{{{{{{ofSet}}}}}}}}, "replicatedJobs": [{"name": "w", "template": {"spec": {{{{{{{{job}}}}}}}}}}]}""",
            "10h",
            ("w", 0, job)
        );
        var now = world.Time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        await world.Client.PatchAsync<V1Alpha2JobSet>(
            "bounded",
            scene.Team,
            KubePatch.Merge(JsonNode.Parse($$$"""{"status": {"startTime": "{{{now}}}"}}""")!) with
            {
                Subresource = "status",
            },
            Ct
        );
        await scene.UntilAsync("it ends with the deadline", async () =>
            (await scene.StatusAsync())?.Workloads is [{ State: "Running", Projected: { } text }]
            && text.StartsWith(projected, StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task Parts_of_a_JobSet_that_run_one_after_another_are_not_added_up()
    {
        var scene = await ServingAsync("1000", "JobSet");
        await using var world = scene.World;
        const string pods =
            """{"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "2"}}}]}}}}""";
        await Kinds.CreateAsync(
            scene,
            "JobSet",
            "stages",
            $$$$"""{"replicatedJobs": [{"name": "prepare", "template": {{{{pods}}}}}, {"name": "train", "replicas": 2, "dependsOn": [{"name": "prepare", "status": "Complete"}], "template": {{{{pods}}}}}]}""",
            declared: "10h"
        );
        await scene.UntilAsync("four GPUs for ten hours are projected", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Gpus: 4, Projected: "122.400000" }]
        );
    }

    [Fact]
    public async Task Job_with_parallelism_zero_reserves_nothing()
    {
        // Case D1.
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("10");
        await JobAsync(scene, "paused", completions: 5, parallelism: 0, runFor: "1h", declared: "3h");
        await scene.UntilAsync("it is seen", async () => (await scene.StatusAsync())?.Workloads is [{ Name: "paused" }]);
        (await scene.StatusAsync())!.Reserved.Should().Be("0.000000");
        await scene.JobAsync("other", declared: "1h", runFor: "1h");
        await scene.UntilRunsAsync("other");
        await scene.PassAsync(70);
        (await scene.IsSuspendedAsync("other")).Should().BeFalse();
    }

    /// <summary>Case D2: one worker in the spec and at most eight with autoscaling; and more workers than the spec has, without.</summary>
    [Theory]
    [InlineData(8, 0, 8, 244.80)]
    [InlineData(8, 8, 8, 244.80)]
    [InlineData(null, 5, 5, 153)]
    public async Task RayJob_is_projected_at_the_workers_that_can_run(int? most, int running, int gpus, decimal cost)
    {
        var scene = await ServingAsync("1000", "RayJob", "RayCluster");
        await using var world = scene.World;
        var spec = JsonNode.Parse(Kinds.Spec("RayJob"))!;
        if (most is not null)
        {
            spec["rayClusterSpec"]!["enableInTreeAutoscaling"] = true;
            var workers = spec["rayClusterSpec"]!["workerGroupSpecs"]![0]!;
            (workers["replicas"], workers["minReplicas"], workers["maxReplicas"]) = (1, 1, most);
        }
        var job = await Kinds.CreateAsync(scene, "RayJob", "ray", spec.ToJsonString(), declared: "10h");
        await WorkersAsync(scene, job, running);
        await scene.UntilAsync("its workers for ten hours are projected", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Projected: { } projected } one]
            && one.Gpus == gpus
            && Math.Abs(Money(projected) - cost) < 0.5m
        );
    }

    [Fact]
    public async Task Deadline_of_a_Job_counts_from_its_start_and_not_from_its_present_pod()
    {
        // Case B5 at a tenth of its times: a deadline of six minutes, the first pod fails after five.
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("10");
        await scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            """
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "retried", "annotations": {"bursar.dev/expected-duration": "2h"}}, "spec": {"activeDeadlineSeconds": 360,
             "template": {"metadata": {"annotations": {"sim.bursar.dev/run-for": "5m", "sim.bursar.dev/exit-code": "1"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """
        );
        await scene.UntilAsync(
            "its second pod runs",
            async () =>
            {
                await scene.PassAsync(5);
                return (await world.JobAsync(scene.Team, "retried", Ct)).Status is { Failed: 1, Active: 1 };
            },
            TimeSpan.FromMinutes(10)
        );
        await scene.UntilAsync("it is projected at no more than its deadline", async () =>
            (await scene.StatusAsync())?.Workloads is [{ State: "Running", Projected: { } projected }] && Money(projected) <= 0.31m
        );
    }

    /// <summary>A scene with custom resources of more kinds, and a budget.</summary>
    private static async Task<Scene> ServingAsync(string limit, params string[] kinds)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await Kinds.ServeAsync(scene.World, kinds);
        await scene.World.StartOperatorAsync(Ct);
        await scene.BudgetAsync(limit);
        return scene;
    }

    private static Task JobAsync(Scene scene, string name, int completions, int parallelism, string runFor, string? declared = null) =>
        scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            $$$$"""
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "{{{{name}}}}", "annotations": {{{{(
                declared is null ? "{}" : $$"""{"bursar.dev/expected-duration": "{{declared}}"}"""
            )}}}}}, "spec": {{{{SpecOf(completions, parallelism, runFor)}}}}}
            """
        );

    private static string SpecOf(int completions, int parallelism, string runFor) =>
        $$$$$$$$"""
            {"completions": {{{{{{{{completions}}}}}}}}, "parallelism": {{{{{{{{parallelism}}}}}}}}, "completionMode": "Indexed", "template": {"metadata": {"annotations": {"sim.bursar.dev/run-for": "{{{{{{{{runFor}}}}}}}}"}},
             "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}
            """;

    /// <summary>Creates a JobSet with the Jobs that its controller would make.</summary>
    private static async Task JobSetAsync(
        Scene scene,
        string name,
        string spec,
        string? declared,
        params (string Part, int Index, string Spec)[] jobs
    )
    {
        var set = await Kinds.CreateAsync(scene, "JobSet", name, spec, declared);
        foreach (var (part, index, job) in jobs)
            await scene.CreateAsync(
                $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
                $$$$"""
                {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "{{{{name}}}}-{{{{part}}}}-{{{{index}}}}", "labels": {"jobset.sigs.k8s.io/replicatedjob-name": "{{{{part}}}}"},
                  "ownerReferences": [{"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "name": "{{{{name}}}}", "uid": "{{{{set}}}}", "controller": true} ]}, "spec": {{{{job}}}}}
                """
            );
    }

    /// <summary>The projections until the Jobs have succeeded with six pieces each.</summary>
    private static async Task<List<decimal>> ProjectionsAsync(Scene scene, string set, params string[] jobs)
    {
        var seen = new List<decimal>();
        await scene.UntilAsync(
            "all pieces have ended",
            async () =>
            {
                await scene.PassAsync(20);
                (await Kinds.SuspendFieldAsync(scene, "JobSet", set)).Should().NotBe(true);
                if (
                    (await scene.StatusAsync()) is
                    { Workloads: [{ Kind: "JobSet", State: "Running", Eta.Source: "completions" }], Projected: { } projected }
                )
                    seen.Add(Money(projected));
                foreach (var job in jobs)
                    if ((await scene.World.JobAsync(scene.Team, job, Ct)).Status.Succeeded != 6)
                        return false;
                return true;
            },
            TimeSpan.FromMinutes(30)
        );
        return seen;
    }

    /// <summary>The sweep is never suspended until its end, and from its first completion on the projection equals its cost.</summary>
    private static async Task FollowAsync(Scene scene, string name, int completions, decimal cost)
    {
        var seen = new List<decimal>();
        await scene.UntilAsync(
            $"{name} is done",
            async () =>
            {
                await scene.PassAsync(30);
                var job = await scene.World.JobAsync(scene.Team, name, Ct);
                job.Spec.Suspend.Should().NotBe(true, "after {0} of {1} completions", job.Status.Succeeded, completions);
                // The status of a sweep with a known duration of its pieces is written later than the Job's.
                if (
                    job.Status.Succeeded < completions
                    && (await scene.StatusAsync())
                        is { Workloads: [{ State: "Running", Eta.Source: "completions" }], Projected: { } projected }
                )
                    seen.Add(Money(projected));
                return job.Status.Succeeded == completions;
            },
            TimeSpan.FromMinutes(completions * 6 + 60)
        );
        seen.Should().NotBeEmpty();
        seen.Should().OnlyContain(one => Math.Abs(one - cost) < cost * 0.07m, "it costs {0}", cost);
    }

    private static async Task WorkersAsync(Scene scene, string job, int count)
    {
        var cluster = await Kinds.CreateAsync(scene, "RayCluster", "ray-abc", "{}", declared: null, owner: ("RayJob", "ray", job));
        for (var i = 0; i < count; i++)
            await scene.CreateAsync(
                $"/api/v1/namespaces/{scene.Team}/pods",
                $$$$"""
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray-worker-{{{{i}}}}", "labels": {"app": "gang"},
                   "ownerReferences": [{"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": "ray-abc", "uid": "{{{{cluster}}}}", "controller": true} ]},
                 "spec": {"containers": [{"name": "main", "image": "example/ray", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}
                """
            );
    }

    private static decimal Money(string amount) => decimal.Parse(amount, CultureInfo.InvariantCulture);
}
