using System.Net;
using System.Net.Sockets;
using Bursar.Core.Usage;
using Bursar.Tests.TestKit;
using Xunit.Abstractions;

namespace Bursar.Tests.Integration.Agent;

/// <summary>
/// The samples of docs/samples, run by python3 against a real agent's endpoint. A framework that the machine lacks is a stub of its
/// callback's base class. The calls are then as documented, and the framework itself is not tested.
/// </summary>
public sealed class ProgressSampleTests(ITestOutputHelper output)
{
    [SkippableTheory]
    [InlineData("plain")]
    [InlineData("pytorch")]
    [InlineData("huggingface")]
    [InlineData("lightning")]
    public async Task Training_script_reports_its_steps_and_checkpoints(string sample)
    {
        await using var node = await SimulatedNode.StartAsync();
        await node.Client().PutTargetsAsync(new TargetList { Revision = "1", Pods = [SimulatedNode.Pod("u1", "127.0.0.1")] }, default);

        var before = TimeProvider.System.GetUtcNow();
        (await DriveAsync(sample, $"http://{node.Server.Addresses.Pod}/v1/progress")).Should().Be(0);

        // The journal accepts a pod's report once a second; the last one is written when its second is over.
        var told = () => node.Server.Journal.Read("n", null).Progress;
        await Eventually.TrueAsync(() => told()[^1].Step == 30, "the end is reported");
        told()[0]
            .Should()
            .BeEquivalentTo(
                new
                {
                    PodUid = "u1",
                    Step = 1L,
                    Total = 30L,
                    CheckpointAt = (DateTimeOffset?)null,
                },
                "other ranks do not report"
            );
        told()[^1].Total.Should().Be(30);
        told()[^1].CheckpointAt.Should().BeCloseTo(before, TimeSpan.FromMinutes(1));
    }

    [SkippableTheory]
    [InlineData("http://127.0.0.1:1/v1/progress")]
    [InlineData("http://no-such-host.invalid:9466/v1/progress")]
    [InlineData("no address at all")]
    public async Task Report_that_fails_is_harmless(string url) => (await DriveAsync("plain", url)).Should().Be(0);

    [SkippableFact]
    public async Task Report_that_is_refused_is_harmless()
    {
        await using var node = await SimulatedNode.StartAsync();
        (await DriveAsync("plain", $"http://{node.Server.Addresses.Pod}/v1/progress"))
            .Should()
            .Be(0, "the agent answers 403: it knows no pod of that address");
        node.Server.Journal.Read("n", null).Progress.Should().BeEmpty();
    }

    /// <summary>Each report would wait its second out: of three seconds the training would have next to nothing.</summary>
    [SkippableFact]
    public async Task Agent_that_does_not_answer_costs_a_second_and_is_then_left_alone()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var asked = new List<TcpClient>();
        var accept = Task.Run(async () =>
        {
            try
            {
                while (true)
                    asked.Add(await silent.AcceptTcpClientAsync());
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return;
            }
        });

        (await DriveAsync("slow", $"http://{silent.LocalEndpoint}/v1/progress")).Should().Be(0);

        silent.Stop();
        await accept;
        asked.Should().HaveCount(1);
        asked.ForEach(client => client.Dispose());
    }

    /// <summary>The agent identifies the pod by the sender's address, which a proxy would replace.</summary>
    [SkippableFact]
    public async Task Proxy_of_the_pods_environment_is_not_used()
    {
        await using var node = await SimulatedNode.StartAsync();
        await node.Client().PutTargetsAsync(new TargetList { Revision = "1", Pods = [SimulatedNode.Pod("u1", "127.0.0.1")] }, default);

        (await DriveAsync("plain", $"http://{node.Server.Addresses.Pod}/v1/progress", proxy: "http://127.0.0.1:1")).Should().Be(0);

        await Eventually.TrueAsync(() => node.Server.Journal.Read("n", null).Progress is [.., { Step: 30 }], "the end is reported");
    }

    private async Task<int> DriveAsync(string sample, string url, string? proxy = null) =>
        (
            await PythonSample.RunAsync(
                output,
                new()
                {
                    ["BURSAR_PROGRESS_URL"] = url,
                    ["http_proxy"] = proxy,
                    ["no_proxy"] = null,
                },
                sample
            )
        ).Code;
}
