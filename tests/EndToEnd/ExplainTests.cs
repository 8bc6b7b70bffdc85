using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;

namespace Bursar.Tests.EndToEnd;

public sealed class ExplainTests
{
    [Fact]
    public async Task Stored_decision_is_shown_with_its_inputs_and_replays_to_the_same_result()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendAsync(world, tamper: false);

        var text = await ExplainAsync(world, "vision");

        text.Should().Contain("has not been evaluated yet");
        text.Should()
            .Contain(
                "Job/runaway  since 2026-11-02T08:10:00Z (ProjectedOverBudget), /spec/suspend was false and is true, 2.287350 to finish"
            );
        text.Should()
            .Contain("limit 2.000000, spent 0.007650")
            .And.Contain("2691 s left (2600 to 2800) by progress: 0.09 s per step over 100 steps");
        text.Should().Contain("replay: same result").And.NotContain("DIFFERENT");
    }

    [Fact]
    public async Task Decision_that_does_not_follow_from_its_inputs_is_reported_as_different()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendAsync(world, tamper: true);

        (await ExplainAsync(world, "vision")).Should().Contain("replay: DIFFERENT").And.NotContain("same result");
    }

    [Fact]
    public async Task Status_is_shown_as_the_operator_wrote_it()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.CreateBudgetAsync("vision", "2");
        var status = new JsonObject
        {
            ["status"] = new JsonObject
            {
                ["observedGeneration"] = 1,
                ["state"] = "OnTrack",
                ["currency"] = "USD",
                ["limit"] = "2.000000",
                ["spent"] = "0.500000",
                ["percent"] = 25,
                ["workloads"] = new JsonArray(
                    new JsonObject
                    {
                        ["kind"] = "Job",
                        ["name"] = "small",
                        ["class"] = "training",
                        ["state"] = "Running",
                        ["gpus"] = 1,
                        ["spent"] = "0.500000",
                        ["projected"] = "1.000000",
                        ["reason"] = "Fits: 600 s left.",
                    }
                ),
                ["conditions"] = new JsonArray(
                    new JsonObject
                    {
                        ["type"] = "Ready",
                        ["status"] = "True",
                        ["reason"] = "OnTrack",
                        ["message"] = "All is well.",
                        ["lastTransitionTime"] = "2026-11-02T08:10:00Z",
                    }
                ),
            },
        };
        await world.Client.PatchAsync<V1Alpha1GpuBudget>(
            "vision",
            CommandsWorld.Team,
            KubePatch.Merge(status) with
            {
                Subresource = "status",
            },
            CancellationToken.None
        );

        var text = await ExplainAsync(world, "vision");

        text.Should().StartWith("GpuBudget team-vision/vision: OnTrack\n  All is well.\n");
        text.Should().MatchRegex(@"spent +0\.500000  25 % of the limit");
        text.Should().Contain("Job/small  training, Running, 1 GPU, unpriced, spent 0.500000, projected 1.000000\n    Fits: 600 s left.");
    }

    [Fact]
    public async Task Ended_windows_are_shown_with_their_totals()
    {
        await using var world = await CommandsWorld.StartAsync();
        var budget = await world.CreateBudgetAsync("vision", "500");
        var state = new OperatorState();
        var (october, november) = (
            new DateTimeOffset(2026, 10, 1, 0, 0, 0, TimeSpan.Zero),
            new DateTimeOffset(2026, 11, 1, 0, 0, 0, TimeSpan.Zero)
        );
        state.RecordWindow(
            CommandsWorld.Team,
            "vision",
            budget.Metadata.Uid,
            new("2026-11", november, november.AddMonths(1), Amount.FromDecimal(500)),
            [new("2026-10", october, november, Amount.FromDecimal(620), Amount.FromDecimal(480.12m))],
            october
        );
        await world.StoreAsync(state);

        (await ExplainAsync(world, "vision")).Should().Contain("Windows that are over\n  2026-10  480.120000  of 620.000000, 77 %\n");
    }

    [Fact]
    public async Task Json_output_contains_the_raw_records()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendAsync(world, tamper: false);
        using var output = new StringWriter();

        await ExplainCommand.RunAsync(
            world.Client,
            CommandsWorld.BursarNamespace,
            CommandsWorld.Team,
            "vision",
            json: true,
            output,
            TextWriter.Null,
            CancellationToken.None
        );

        var json = JsonNode.Parse(output.ToString())!;
        ((string?)json["budget"]!["metadata"]!["name"]).Should().Be("vision");
        ((string?)json["ledger"]![0]!["suspensions"]![0]!["name"]).Should().Be("runaway");
        ((string?)json["ledger"]![0]!["decisions"]![0]!["inputs"]!["workloads"]![0]!["key"]!["name"]).Should().Be("runaway");
    }

    [Fact]
    public async Task Missing_budget_is_reported_in_one_sentence()
    {
        await using var world = await CommandsWorld.StartAsync();

        var explain = () => ExplainAsync(world, "nowhere");

        (await explain.Should().ThrowAsync<CommandException>()).WithMessage("there is no GpuBudget nowhere in namespace team-vision.");
    }

    [Fact]
    public async Task Missing_right_is_named()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendAsync(world, tamper: false);
        world.Refuse("list", "gpuledgers");

        var explain = () => ExplainAsync(world, "vision");

        (await explain.Should().ThrowAsync<CommandException>()).WithMessage(
            "this needs the right to list gpuledgers.bursar.dev in namespace bursar-system.*"
        );
    }

    [Fact]
    public async Task Deleted_budget_is_explained_from_the_ledger()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendAsync(world, tamper: false);
        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("vision", CommandsWorld.Team, null, CancellationToken.None);

        (await ExplainAsync(world, "vision"))
            .Should()
            .StartWith("GpuBudget team-vision/vision does not exist any more")
            .And.Contain("Job/runaway  since");
    }

    private static async Task SuspendAsync(CommandsWorld world, bool tamper)
    {
        var budget = await world.CreateBudgetAsync("vision", "2");
        var job = await world.CreateJobAsync("runaway", suspended: true);
        var snapshot = CommandsWorld.Overrun(budget, job);
        var action = BudgetDecider.Decide(snapshot).Actions.Should().ContainSingle().Subject;
        var state = new OperatorState();
        state.RecordSuspension(CommandsWorld.OfJob(job, budget));
        state.AddDecision(
            CommandsWorld.Team,
            "vision",
            budget.Metadata.Uid,
            new()
            {
                Time = CommandsWorld.Decided,
                Action = action.Kind.ToString(),
                Object = "Job/runaway",
                Reason = action.Reason,
                Text = action.Sentence,
                Inputs = JsonSerializer.Serialize(
                    tamper
                        ? snapshot with
                        {
                            Terms = snapshot.Terms with { Limit = Bursar.Core.Money.Amount.FromDecimal(500m) },
                        }
                        : snapshot,
                    DecisionJson.Default.BudgetSnapshot
                ),
            }
        );
        await world.StoreAsync(state);
    }

    [Theory]
    [InlineData("job/runaway")]
    [InlineData("jobs/runaway")]
    [InlineData("jobs.batch/runaway")]
    [InlineData("Job/runaway")]
    public async Task Suspended_job_is_explained_by_its_own_name(string named)
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendAsync(world, tamper: false);

        var text = await ExplainWorkloadAsync(world, named);

        text.Should().StartWith("Job team-vision/runaway\n");
        text.Should()
            .Contain("Budget gpub/vision: ")
            .And.Contain("suspended since 2026-11-02T08:10:00Z (ProjectedOverBudget): /spec/suspend was false and is true, 2.287350");
        text.Should().Contain("it would run: raise the limit by ").And.Contain("more: bursar explain gpub/vision -n team-vision");
    }

    [Fact]
    public async Task Workload_is_explained_from_the_status_alone_without_the_right_to_the_ledger()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.CreateBudgetAsync("vision", "2");
        await world.CreateDeploymentAsync("chat", 1);
        await world.Client.PatchAsync<V1Alpha1GpuBudget>(
            "vision",
            CommandsWorld.Team,
            KubePatch.Merge(
                (JsonObject)
                    JsonNode.Parse(
                        """
                        {"status": {"observedGeneration": 1, "state": "OnTrack", "currency": "USD", "limit": "2.00", "spent": "0.50", "projected": "1.00", "workloads":
                          [{"kind": "Deployment", "name": "chat", "class": "inference", "state": "Running", "gpus": 1, "ratePerHour": "3.06", "spent": "0.50", "projected": "1.00", "reason": "Runs until the budget is used up."}]}}
                        """
                    )!
            ) with
            {
                Subresource = "status",
            },
            CancellationToken.None
        );
        world.Refuse("list", "gpuledgers");

        var text = await ExplainWorkloadAsync(world, "deploy/chat");

        text.Should()
            .Contain("Budget gpub/vision: OnTrack")
            .And.Contain("state: Running, inference, 1 GPU, 3.06 USD/h, spent 0.50, projected 1.00")
            .And.Contain("why: Runs until the budget is used up.");
        text.Should().Contain("note: this is from the budgets' status alone").And.Contain("list gpuledgers");
    }

    [Fact]
    public async Task Pod_is_explained_by_the_workload_that_it_is_part_of()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.CreateBudgetAsync("vision", "2");
        var job = await world.CreateJobAsync("train", suspended: false);
        var pod = (JsonObject)
            JsonNode.Parse(
                $$$"""
                {"metadata": {"name": "train-x", "namespace": "{{{CommandsWorld.Team}}}", "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "train", "uid": "{{{job.Metadata.Uid}}}", "controller": true}]},
                 "spec": {"containers": [{"name": "main", "image": "train:1"}]}}
                """
            )!;
        await world.Client.CreateAsync<V1Pod>(pod, CommandsWorld.Team, CancellationToken.None);

        (await ExplainWorkloadAsync(world, "po/train-x"))
            .Should()
            .StartWith("Job team-vision/train\n  Pod train-x is a part of it.\n")
            .And.Contain("Budget gpub/vision: not evaluated yet");
    }

    [Fact]
    public async Task Workload_that_no_budget_selects_is_reported_as_such()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.CreateJobAsync("train", suspended: false);
        (await ExplainWorkloadAsync(world, "job/train"))
            .Should()
            .Contain("No budget covers namespace team-vision: nothing limits what it costs.");

        await world.CreateBudgetAsync("vision", "2");
        await world.Client.PatchAsync<V1Alpha1GpuBudget>(
            "vision",
            CommandsWorld.Team,
            KubePatch.Merge((JsonObject)JsonNode.Parse("""{"spec": {"selector": {"matchLabels": {"team": "other"}}}}""")!),
            CancellationToken.None
        );
        (await ExplainWorkloadAsync(world, "job/train"))
            .Should()
            .Contain("None of the budgets of namespace team-vision selects it (gpub/vision)");
    }

    private static async Task<string> ExplainWorkloadAsync(CommandsWorld world, string named)
    {
        using var output = new StringWriter { NewLine = "\n" };
        (
            await ExplainWorkload.RunAsync(
                world.Client,
                CommandsWorld.BursarNamespace,
                CommandsWorld.Team,
                WorkloadName.TryParse(named)!,
                json: false,
                output,
                output,
                CancellationToken.None
            )
        )
            .Should()
            .Be(0);
        return output.ToString();
    }

    private static async Task<string> ExplainAsync(CommandsWorld world, string name)
    {
        using var output = new StringWriter { NewLine = "\n" };
        (
            await ExplainCommand.RunAsync(
                world.Client,
                CommandsWorld.BursarNamespace,
                CommandsWorld.Team,
                name,
                json: false,
                output,
                TextWriter.Null,
                CancellationToken.None
            )
        )
            .Should()
            .Be(0);
        return output.ToString();
    }
}
