using Bursar.Operator.Commands;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>A ledger that cannot be written: enforcement stops, and every budget reports it.</summary>
public sealed class LedgerFaultTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Theory]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(413)]
    [InlineData(422)]
    public async Task Refused_ledger_shows_in_Ready_until_it_is_written_again(int status)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilConditionAsync("Ready", "True");
        foreach (var verb in (string[])["create", "patch"])
            scene.Sandbox.Server.Faults.Add(
                new(new Fault.Answer(status))
                {
                    Client = "bursar/",
                    Resource = "gpuledgers",
                    Verb = verb,
                    Times = int.MaxValue,
                }
            );
        await scene.JobAsync("too-long", declared: "2h");

        await scene.UntilAsync(
            "the budget reports it",
            async () => await scene.ConditionAsync("Ready") is { Status: "False", Reason: "LedgerNotWritable" },
            TimeSpan.FromSeconds(90)
        );
        (await scene.StatusAsync())!.State.Should().Be("LedgerNotWritable");
        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse("nothing is suspended that the ledger does not hold");
        (await world.MetricsAsync(Ct)).Should().Contain(sample => sample.Name == "bursar_ledger_write_fault" && sample.Value == 1);

        scene.Sandbox.Server.Faults.Clear();
        await scene.UntilSuspendedAsync("too-long", TimeSpan.FromSeconds(90));
        await scene.UntilConditionAsync("Ready", "True", within: TimeSpan.FromSeconds(90));
        (await world.MetricsAsync(Ct)).Should().Contain(sample => sample.Name == "bursar_ledger_write_fault" && sample.Value == 0);
    }

    [Fact]
    public async Task Operator_does_not_start_without_its_namespace()
    {
        await using var world = await CommandsWorld.StartAsync();

        await FluentActions
            .Awaiting(() => StartCheck.RunAsync(world.Client, "nope", Ct))
            .Should()
            .ThrowAsync<CommandException>()
            .WithMessage("there is no namespace nope*create it*");
        await StartCheck.RunAsync(world.Client, CommandsWorld.BursarNamespace, Ct);
        (await world.Client.ListAsync<Bursar.Api.V1Alpha1GpuLedger>(new() { Namespace = CommandsWorld.BursarNamespace }, Ct))
            .Items.Should()
            .BeEmpty("the trial stores nothing");
    }
}
