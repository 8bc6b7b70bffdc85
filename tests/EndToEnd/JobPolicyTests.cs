using System.Text.Json.Nodes;
using Bursar.Kubernetes.Objects;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>A Job that ends by its success policy, or by its limits on failed indexes.</summary>
/// <param name="Name">The Job's name.</param>
/// <param name="Spec">Its spec without the template.</param>
/// <param name="Pods">What the simulated nodes do with its pods, without the prefix of the annotations.</param>
/// <param name="Reason">The reason of the last two conditions.</param>
/// <param name="Message">Their message.</param>
internal sealed record JobPolicyCase(string Name, string Spec, string Pods, string Reason, string Message)
{
    public bool Complete { get; init; }

    public int Succeeded { get; init; }

    public int Failed { get; init; }

    public string? CompletedIndexes { get; init; }

    public string? FailedIndexes { get; init; }

    /// <summary>Each pod's index, failures and ignored failures, in order.</summary>
    public string[]? Failures { get; init; }
}

/// <summary>The ways in which Jobs end, the same on the embedded cluster and with the real kube-controller-manager.</summary>
internal static class JobPolicies
{
    private const string Completed = "Reached expected number of succeeded pods";
    private const string HasFailed = "Job has failed indexes";
    private const string Stopped = "sim.bursar.dev/term-time";

    private static readonly JobPolicyCase[] Cases =
    [
        new(
            "all-indexes",
            """{"completions": 4, "parallelism": 4, "backoffLimitPerIndex": 0}""",
            """{"run-for": "2s", "fail-indexes": "1,2"}""",
            "FailedIndexes",
            HasFailed
        )
        {
            Succeeded = 2,
            Failed = 2,
            CompletedIndexes = "0,3",
            FailedIndexes = "1,2",
            Failures = ["0 0 ", "1 0 ", "2 0 ", "3 0 "],
        },
        new(
            "too-many",
            """{"completions": 3, "parallelism": 2, "backoffLimitPerIndex": 0, "maxFailedIndexes": 0}""",
            """{"run-for": "2s", "run-for-per-index": "10m", "fail-indexes": "0"}""",
            "MaxFailedIndexesExceeded",
            "Job has exceeded the specified maximal number of failed indexes"
        )
        {
            Failed = 2,
            FailedIndexes = "0",
        },
        new(
            "retried",
            """{"completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1}""",
            """{"run-for": "2s", "fail-indexes": "1", "fail-attempts": "1"}""",
            "CompletionsReached",
            Completed
        )
        {
            Complete = true,
            Succeeded = 2,
            Failed = 1,
            CompletedIndexes = "0,1",
            FailedIndexes = "",
            Failures = ["0 0 ", "1 0 ", "1 1 "],
        },
        new(
            "retried-in-vain",
            """{"completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1}""",
            """{"run-for": "2s", "fail-indexes": "0"}""",
            "FailedIndexes",
            HasFailed
        )
        {
            Succeeded = 1,
            Failed = 2,
            CompletedIndexes = "1",
            FailedIndexes = "0",
            Failures = ["0 0 ", "0 1 ", "1 0 "],
        },
        new(
            "suspended",
            """{"completions": 1, "backoffLimitPerIndex": 2}""",
            """{"run-for": "2s", "fail-indexes": "0", "fail-attempts": "2"}""",
            "CompletionsReached",
            Completed
        )
        {
            Complete = true,
            Succeeded = 1,
            Failed = 2,
            CompletedIndexes = "0",
            FailedIndexes = "",
            Failures = ["0 0 ", "0 1 ", "0 2 "],
        },
        new(
            "given-up",
            """{"completions": 2, "parallelism": 2, "backoffLimitPerIndex": 5, "podFailurePolicy": {"rules": [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}}]}}""",
            """{"run-for": "2s", "fail-indexes": "0"}""",
            "FailedIndexes",
            HasFailed
        )
        {
            Succeeded = 1,
            Failed = 1,
            CompletedIndexes = "1",
            FailedIndexes = "0",
            Failures = ["0 0 ", "1 0 "],
        },
        new(
            "ignored",
            """{"completions": 2, "parallelism": 2, "backoffLimitPerIndex": 0, "podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1]}}]}}""",
            """{"run-for": "2s", "fail-indexes": "0", "fail-attempts": "1"}""",
            "CompletionsReached",
            Completed
        )
        {
            Complete = true,
            Succeeded = 2,
            CompletedIndexes = "0,1",
            FailedIndexes = "",
            Failures = ["0 0 ", "0 0 1", "1 0 "],
        },
        new(
            "enough",
            """{"completions": 3, "parallelism": 2, "successPolicy": {"rules": [{"succeededCount": 1}]}}""",
            """{"run-for": "2s", "run-for-per-index": "10m"}""",
            "SuccessPolicy",
            "Matched rules at index 0"
        )
        {
            Complete = true,
            Succeeded = 1,
            CompletedIndexes = "0",
        },
        new(
            "second-rule",
            """{"completions": 6, "parallelism": 6, "successPolicy": {"rules": [{"succeededIndexes": "0,5"}, {"succeededIndexes": "0-2", "succeededCount": 2}]}}""",
            """{"run-for": "2s", "run-for-per-index": "3s"}""",
            "SuccessPolicy",
            "Matched rules at index 1"
        )
        {
            Complete = true,
            Succeeded = 2,
            CompletedIndexes = "0,1",
        },
        new(
            "failure-first",
            """{"completions": 2, "parallelism": 2, "backoffLimitPerIndex": 0, "successPolicy": {"rules": [{"succeededCount": 1}]}}""",
            """{"run-for": "2s", "run-for-per-index": "3s", "fail-indexes": "0"}""",
            "FailedIndexes",
            HasFailed
        )
        {
            Succeeded = 1,
            Failed = 1,
            CompletedIndexes = "1",
            FailedIndexes = "0",
        },
        new(
            "deadline",
            """{"completions": 2, "parallelism": 2, "activeDeadlineSeconds": 3}""",
            """{"run-for": "10m"}""",
            "DeadlineExceeded",
            "Job was active longer than specified deadline"
        )
        {
            Failed = 2,
        },
    ];

    private static CancellationToken Ct => CancellationToken.None;

    public static async Task EndByTheirPoliciesAsync(Scene scene)
    {
        foreach (var one in Cases)
        {
            var spec = JsonNode.Parse(one.Spec)!.AsObject();
            spec["completionMode"] = "Indexed";
            JsonObject annotations = new() { [Stopped] = "1s" };
            foreach (var (name, value) in JsonNode.Parse(one.Pods)!.AsObject())
                annotations[$"sim.bursar.dev/{name}"] = (string)value!;
            spec["template"] = new JsonObject
            {
                ["metadata"] = new JsonObject { ["annotations"] = annotations },
                ["spec"] = JsonNode.Parse(
                    """{"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [{"name": "main", "image": "example/trainer"}]}"""
                ),
            };
            var job = new JsonObject
            {
                ["apiVersion"] = "batch/v1",
                ["kind"] = "Job",
                ["metadata"] = new JsonObject { ["name"] = one.Name },
                ["spec"] = spec,
            };
            await scene.CreateAsync($"/apis/batch/v1/namespaces/{scene.Team}/jobs", job.ToJsonString());
        }
        // The failures of an index that waits for its next attempt, for 20 s after the second, are kept over a suspension.
        await scene.UntilAsync("two attempts have failed", async () =>
            (await PodsAsync(scene, "suspended")).Any(pod => pod.Status.Phase == "Failed" && Failures(pod) == "0 1 ")
        );
        await scene.SuspendAsync("suspended", true);
        await scene.UntilAsync("the suspension is followed", async () =>
            (await scene.World.JobAsync(scene.Team, "suspended", Ct)).Condition("Suspended") is not null
        );
        await scene.SuspendAsync("suspended", false);

        foreach (var one in Cases)
        {
            V1Job job = null!;
            await scene.UntilAsync(
                $"{one.Name} has ended",
                async () => (job = await scene.World.JobAsync(scene.Team, one.Name, Ct)).Condition("Complete", "Failed") is not null,
                TimeSpan.FromMinutes(2)
            );
            job.Status.Conditions.Where(condition => condition.Status == "True")
                .Select(condition => (condition.Type, condition.Reason, condition.Message))
                .Should()
                .Equal(
                    [
                        (one.Complete ? "SuccessCriteriaMet" : "FailureTarget", one.Reason, one.Message),
                        (one.Complete ? "Complete" : "Failed", one.Reason, one.Message),
                    ],
                    one.Name
                );
            (job.Status.Succeeded ?? 0, job.Status.Failed ?? 0, job.Status.Active ?? 0, job.Status.Terminating ?? 0)
                .Should()
                .Be((one.Succeeded, one.Failed, 0, 0), one.Name);
            (job.Status.CompletedIndexes, job.Status.FailedIndexes).Should().Be((one.CompletedIndexes, one.FailedIndexes), one.Name);
            (job.Status.CompletionTime is not null).Should().Be(one.Complete, one.Name);
            var pods = await PodsAsync(scene, one.Name);
            pods.Should().NotContain(pod => pod.Metadata.Finalizers.Count > 0, one.Name);
            if (one.Failures is { } failures)
                pods.Select(Failures).Order(StringComparer.Ordinal).Should().Equal(failures, one.Name);
        }
    }

    private static async Task<IReadOnlyList<V1Pod>> PodsAsync(Scene scene, string job) =>
        (
            await scene.World.Client.ListAsync<V1Pod>(
                new() { Namespace = scene.Team, LabelSelector = $"batch.kubernetes.io/job-name={job}" },
                Ct
            )
        ).Items;

    private static string Failures(V1Pod pod) =>
        string.Join(
            ' ',
            new[] { "job-completion-index", "job-index-failure-count", "job-index-ignored-failure-count" }.Select(name =>
                pod.Metadata.Annotations.GetValueOrDefault($"batch.kubernetes.io/{name}")
            )
        );

    private static V1Condition? Condition(this V1Job job, params string[] types) =>
        job.Status.Conditions.FirstOrDefault(condition => condition.Status == "True" && types.Contains(condition.Type));
}

public sealed class JobPolicyTests
{
    [Fact]
    public async Task Jobs_end_according_to_their_policies()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await JobPolicies.EndByTheirPoliciesAsync(scene);
    }
}

[Collection(RealClusterCollection.Name)]
public sealed class RealJobPolicyTests(RealCluster cluster)
{
    [SkippableFact]
    public Task Jobs_end_according_to_their_policies() =>
        cluster.PlayAsync("job-policies", JobPolicies.EndByTheirPoliciesAsync, startOperator: false);
}
