using System.Net;
using System.Text;
using System.Text.Json;
using Bursar.Agent.Journal;
using Bursar.Agent.Sampling;
using Bursar.Core.Usage;
using Bursar.Sandbox.Time;
using Bursar.Tests.Integration.Kubernetes;
using Bursar.Tests.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Integration.Agent;

/// <summary>Checkpoint requests to pods, and the handling of their acknowledgements.</summary>
public sealed class CheckpointEndpointTests
{
    private const string Id = "nlp/2026-11-20T10:00:00Z";
    private static readonly DateTimeOffset Requested = new(2026, 11, 20, 10, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Request_reaches_the_pod_and_its_acknowledgement_the_operator()
    {
        await using var node = await SimulatedNode.StartAsync();
        var client = node.Client();
        await client.PutTargetsAsync(new TargetList { Revision = "1", Pods = [SimulatedNode.Pod("u1", "127.0.0.1")] }, default);
        using var http = new HttpClient();
        var address = $"http://{node.Server.Addresses.Pod}/v1/checkpoint";

        (await http.GetAsync(address)).StatusCode.Should().Be(HttpStatusCode.NoContent, "nothing is wanted");
        await client.PutTargetsAsync(Wanting(), default);
        var asked = JsonDocument.Parse(await http.GetStringAsync(address)).RootElement;
        (
            asked.GetProperty("id").GetString(),
            asked.GetProperty("requested").GetDateTimeOffset(),
            asked.GetProperty("deadline").GetDateTimeOffset()
        )
            .Should()
            .Be((Id, Requested, Requested.AddMinutes(5)));

        (await PostAsync(http, address, $$"""{"id":"{{Id}}","done":"2026-11-20T10:00:30Z","step":12300,"unknown":1}"""))
            .Should()
            .Be(HttpStatusCode.NoContent);
        (await PostAsync(http, address, $$"""{"id":"{{Id}}"}"""))
            .Should()
            .Be(HttpStatusCode.NoContent, "a repeated acknowledgement counts once");
        (await http.GetAsync(address)).StatusCode.Should().Be(HttpStatusCode.NoContent, "it has answered this one");

        var told = (await client.GetUsageAsync(null, TimeSpan.Zero, default)).Checkpoints;
        told.Should().HaveCount(2);
        told[0]
            .Should()
            .BeEquivalentTo(
                new
                {
                    Seq = 1L,
                    PodUid = "u1",
                    Id = (string?)null,
                }
            );
        told[1]
            .Should()
            .BeEquivalentTo(
                new
                {
                    Seq = 2L,
                    PodUid = "u1",
                    Id,
                    Done = Requested.AddSeconds(30),
                    Step = 12_300L,
                }
            );
    }

    [Theory]
    [InlineData("", 400)]
    [InlineData("null", 400)]
    [InlineData("{}", 400)]
    [InlineData("""{"id":""}""", 400)]
    [InlineData("""{"id":7}""", 400)]
    [InlineData("""{"id":"nlp/2026-11-20T10:00:00Z","step":-1}""", 400)]
    [InlineData("""{"id":"nlp/2026-11-20T10:00:00Z","done":"2999-01-01T00:00:00Z"}""", 400)]
    [InlineData("""{"id":"nlp/2026-11-20T10:00:00Z","done":"2026-11-20T09:00:00Z"}""", 400)]
    [InlineData("""{"id":"nlp/2026-11-19T10:00:00Z"}""", 409)]
    public async Task Invalid_acknowledgement_is_rejected_with_a_message_and_not_journaled(string body, int status)
    {
        await using var node = await SimulatedNode.StartAsync();
        node.Server.Targets.Replace(Wanting());
        using var http = new HttpClient();

        using var answer = await http.PostAsync(
            $"http://{node.Server.Addresses.Pod}/v1/checkpoint",
            new StringContent(body, Encoding.UTF8, "application/json")
        );

        ((int)answer.StatusCode).Should().Be(status);
        (await answer.Content.ReadAsStringAsync()).Should().StartWith("{\"error\":\"");
        node.Server.Journal.Next.Should().Be(1);
    }

    [Fact]
    public async Task Unknown_pod_is_forbidden_and_not_journaled()
    {
        await using var node = await SimulatedNode.StartAsync();
        node.Server.Targets.Replace(new TargetList { Pods = [Wanting().Pods[0] with { Ips = ["127.9.0.1"] }] });
        using var http = new HttpClient();

        (await http.GetAsync($"http://{node.Server.Addresses.Pod}/v1/checkpoint")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await PostAsync(http, $"http://{node.Server.Addresses.Pod}/v1/checkpoint", $$"""{"id":"{{Id}}"}"""))
            .Should()
            .Be(HttpStatusCode.Forbidden);
        node.Server.Journal.Next.Should().Be(1);
    }

    [Fact]
    public void Pod_that_polls_is_reported_at_first_and_every_five_minutes()
    {
        var time = new VirtualTimeProvider(Requested);
        using var journal = UsageJournal.Open(new(), new Random(1), time, NullLogger<UsageJournal>.Instance);
        var intake = new CheckpointIntake(journal, time);
        for (var i = 0; i < 120; i++)
        {
            intake.Requested("u1", null).Should().BeFalse();
            time.Advance(TimeSpan.FromSeconds(5));
        }
        journal.Read("n", null).Checkpoints.Select(c => c.At - Requested).Should().Equal(TimeSpan.Zero, TimeSpan.FromMinutes(5));

        intake.Retain(new HashSet<string>());
        intake.Requested("u1", null);
        journal.Next.Should().Be(4, "a pod that is forgotten begins anew");
    }

    private static TargetList Wanting() =>
        new()
        {
            Revision = "2",
            Pods =
            [
                SimulatedNode.Pod("u1", "127.0.0.1") with
                {
                    Checkpoint = new()
                    {
                        Id = Id,
                        Requested = Requested,
                        Deadline = Requested.AddMinutes(5),
                    },
                },
            ],
        };

    private static async Task<HttpStatusCode> PostAsync(HttpClient http, string address, string body)
    {
        using var answer = await http.PostAsync(address, new StringContent(body, Encoding.UTF8, "application/json"));
        return answer.StatusCode;
    }
}
