using System.Text;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Http;

namespace Bursar.Tests.Integration.Kubernetes;

public class EventRecorderTests
{
    private readonly Dictionary<string, JsonNode> _events = [];
    private readonly VirtualTimeProvider _clock = new();

    [Fact]
    public async Task Repeats_become_a_series_on_the_first_event()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(AnswerAsync);
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = _clock });
        await RecordAsync(
            client,
            recorder =>
            {
                recorder.Publish(Event());
                recorder.Publish(Event() with { Note = "other amounts" });
            },
            1
        );
        await RecordAsync(client, recorder => recorder.Publish(Event() with { Key = "2026-02" }), 1);

        _events.Should().HaveCount(2);
        JsonNode first = _events.Values.Single(e => e["note"]!.GetValue<string>() == "stopped" && e["series"] is not null);
        first["series"]!["count"]!.GetValue<int>().Should().Be(2);
        first["series"]!["lastObservedTime"]!.GetValue<string>().Should().Be("2026-01-01T00:00:00.000000Z");
        first["eventTime"]!.GetValue<string>().Should().Be("2026-01-01T00:00:00.000000Z");
        first["reportingController"]!.GetValue<string>().Should().Be("bursar.dev/operator");
        first["metadata"]!["namespace"]!.GetValue<string>().Should().Be("a");
    }

    [Fact]
    public async Task Series_continues_after_a_restart()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(AnswerAsync);
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = _clock });
        for (int restart = 0; restart < 3; restart++)
            await RecordAsync(client, recorder => recorder.Publish(Event()), 1);
        _events.Should().ContainSingle().Which.Value["series"]!["count"]!.GetValue<int>().Should().Be(3);
    }

    [Fact]
    public async Task Event_that_the_server_forgot_is_made_again()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(AnswerAsync);
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = _clock });
        EventRecorder recorder = new(client, new EventRecorderOptions { ReportingInstance = "me" });
        using CancellationTokenSource stop = new();
        Task run = recorder.RunAsync(stop.Token);
        recorder.Publish(Event());
        await Until.TrueAsync(() => recorder.Written == 1, "the first");
        lock (_events)
            _events.Clear();
        recorder.Publish(Event());
        await Until.TrueAsync(() => recorder.Written == 2, "the second");
        _events.Should().ContainSingle().Which.Value["series"].Should().BeNull();
        await stop.CancelAsync();
        await run;
    }

    [Fact]
    public async Task Events_of_cluster_objects_go_to_default_and_notes_are_cut()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(AnswerAsync);
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = _clock });
        KubeEvent evt = Event() with
        {
            Regarding = new V1ObjectReference
            {
                ApiVersion = "v1",
                Kind = "Node",
                Name = "n",
                Uid = "u",
            },
            Note = new string('ä', 2000),
        };
        await RecordAsync(client, recorder => recorder.Publish(evt), 1);
        JsonNode made = _events.Values.Single();
        made["metadata"]!["namespace"]!.GetValue<string>().Should().Be("default");
        string note = made["note"]!.GetValue<string>();
        Encoding.UTF8.GetByteCount(note).Should().BeInRange(1020, 1024);
        note.Should().EndWith("ä…");
    }

    [Fact]
    public async Task Queued_events_are_written_on_shutdown_within_the_rate()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(AnswerAsync);
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = _clock });
        EventRecorder recorder = new(
            client,
            new EventRecorderOptions
            {
                ReportingInstance = "me",
                Burst = 3,
                PerSecond = 1,
                Capacity = 5,
            }
        );
        using CancellationTokenSource stop = new();
        Task run = recorder.RunAsync(stop.Token);
        for (int i = 0; i < 3; i++)
            recorder.Publish(Event() with { Key = $"{i}" });
        await Until.TrueAsync(() => recorder.Written == 3, "the burst");
        for (int i = 3; i < 9; i++)
            recorder.Publish(Event() with { Key = $"{i}" });
        recorder.Dropped.Should().Be(1);
        await Until.TrueAsync(
            () => recorder.Written == 4,
            "one a second",
            () =>
            {
                if (_clock.GetUtcNow() < new DateTimeOffset(2026, 1, 1, 0, 0, 1, 500, TimeSpan.Zero))
                    _clock.Advance(TimeSpan.FromMilliseconds(100));
            }
        );
        await stop.CancelAsync();
        await run.WaitAsync(TimeSpan.FromSeconds(30));
        recorder.Written.Should().Be(8);
        _events.Should().HaveCount(8);
    }

    [Fact]
    public async Task Rejected_event_is_dropped_and_does_not_throw()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync((_, context) => context.StatusAsync(403, "Forbidden"));
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = _clock });
        EventRecorder recorder = new(client, new EventRecorderOptions { ReportingInstance = "me" });
        using CancellationTokenSource stop = new();
        Task run = recorder.RunAsync(stop.Token);
        recorder.Publish(Event());
        await Until.TrueAsync(() => recorder.Dropped == 1, "the refusal");
        await stop.CancelAsync();
        await run;
    }

    private static KubeEvent Event() =>
        new()
        {
            Regarding = new V1ObjectReference
            {
                ApiVersion = "batch/v1",
                Kind = "Job",
                Namespace = "a",
                Name = "j",
                Uid = "u",
            },
            Reason = "Suspended",
            Action = "Suspend",
            Note = "stopped",
            Key = "2026-01",
        };

    private static async Task RecordAsync(KubeClient client, Action<EventRecorder> publish, int written)
    {
        EventRecorder recorder = new(client, new EventRecorderOptions { ReportingInstance = "me" });
        publish(recorder);
        using CancellationTokenSource stop = new();
        Task run = recorder.RunAsync(stop.Token);
        await Until.TrueAsync(() => recorder.Written == written, "the writing");
        await stop.CancelAsync();
        await run;
    }

    private Task AnswerAsync(RecordedRequest asked, HttpContext context)
    {
        string answer;
        lock (_events)
        {
            JsonNode? body = asked.Body.Length == 0 ? null : JsonNode.Parse(asked.Body);
            string name = asked.Method == "POST" ? body!["metadata"]!["name"]!.GetValue<string>() : asked.Path.Split('/')[^1];
            if (asked.Method == "POST")
            {
                if (!_events.TryAdd(name, body!))
                    return context.StatusAsync(409, "AlreadyExists");
            }
            else if (!_events.ContainsKey(name))
            {
                return context.StatusAsync(404, "NotFound");
            }
            else if (asked.Method == "PATCH")
            {
                body!.AsObject().Should().ContainSingle("only the series may change").Which.Key.Should().Be("series");
                body["series"]!["count"]!.GetValue<int>().Should().BeGreaterThan(1);
                _events[name]["series"] = body["series"]!.DeepClone();
            }

            answer = _events[name].ToJsonString();
        }

        return context.JsonAsync(answer);
    }
}
