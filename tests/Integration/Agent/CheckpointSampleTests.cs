using Bursar.Core.Usage;
using Xunit.Abstractions;

namespace Bursar.Tests.Integration.Agent;

/// <summary>
/// The samples of docs/samples that save on request, run by python3 against a real agent's endpoint. A framework that the machine lacks is
/// a stub of its callback's base class.
/// </summary>
public sealed class CheckpointSampleTests(ITestOutputHelper output)
{
    private static readonly DateTimeOffset Requested = new(2026, 11, 20, 10, 0, 0, TimeSpan.Zero);

    [SkippableTheory]
    [InlineData("saves")]
    [InlineData("saves-huggingface")]
    [InlineData("saves-lightning")]
    public async Task Training_script_saves_on_request_and_continues(string sample)
    {
        await using var node = await AskingAsync();

        var (code, said) = await DriveAsync(node, sample);

        code.Should().Be(0);
        said.Should().Contain("saved 1\n").And.EndWith("ended 30\n");
        said.Split('\n')
            .Count(line => line.StartsWith("saved", StringComparison.Ordinal))
            .Should()
            .Be(1, "it is polled once, and other ranks do not poll");
        var told = node.Server.Journal.Read("n", null).Checkpoints;
        told[0].Should().BeEquivalentTo(new { PodUid = "u1", Id = (string?)null });
        told[^1]
            .Should()
            .BeEquivalentTo(
                new
                {
                    PodUid = "u1",
                    Id = "nlp/2026-11-20T10:00:00Z",
                    Step = 1L,
                }
            );
        told[^1].Done.Should().BeCloseTo(TimeProvider.System.GetUtcNow(), TimeSpan.FromMinutes(1));
    }

    [SkippableTheory]
    [InlineData("saves")]
    [InlineData("saves-huggingface")]
    [InlineData("saves-lightning")]
    public async Task Training_script_saves_on_SIGTERM_and_ends_with_0(string sample)
    {
        await using var node = await SimulatedNode.StartAsync();

        var (code, said) = await DriveAsync(node, sample, "12");

        code.Should().Be(0);
        said.Should().EndWith("saved 12\n").And.NotContain("ended");
    }

    [SkippableFact]
    public async Task Acknowledgement_that_failed_is_sent_the_next_time()
    {
        await using var node = await AskingAsync();
        (await DriveAsync(node, "saves-late")).Code.Should().Be(0);
        node.Server.Journal.Read("n", null).Checkpoints[^1].Step.Should().Be(7);
    }

    private static async Task<SimulatedNode> AskingAsync()
    {
        var node = await SimulatedNode.StartAsync();
        node.Server.Targets.Replace(
            new TargetList
            {
                Pods =
                [
                    SimulatedNode.Pod("u1", "127.0.0.1") with
                    {
                        Checkpoint = new()
                        {
                            Id = "nlp/2026-11-20T10:00:00Z",
                            Requested = Requested,
                            Deadline = Requested.AddMinutes(5),
                        },
                    },
                ],
            }
        );
        return node;
    }

    private Task<(int Code, string Said)> DriveAsync(SimulatedNode node, params string[] arguments) =>
        PythonSample.RunAsync(output, new() { ["BURSAR_CHECKPOINT_URL"] = $"http://{node.Server.Addresses.Pod}/v1/checkpoint" }, arguments);
}
