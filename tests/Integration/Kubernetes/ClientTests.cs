using System.Text.Json.Nodes;
using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Integration.Kubernetes;

public class ClientTests
{
    [Fact]
    public async Task Retry_after_is_honoured_for_writes_too()
    {
        VirtualTimeProvider clock = new();
        int asked = 0;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (request, context) =>
            {
                if (Interlocked.Increment(ref asked) > 2)
                    return context.JsonAsync(request.Body, 201);
                context.Response.Headers.RetryAfter = "7";
                return context.StatusAsync(429, "TooManyRequests");
            }
        );
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        Task<V1ConfigMap> creating = client.CreateAsync(Map(), default);
        await clock.RunUntilAsync(() => creating.IsCompleted, TimeSpan.FromMinutes(5));
        (await creating).Metadata.Name.Should().Be("m");
        clock.GetUtcNow().Should().BeOnOrAfter(new DateTimeOffset(2026, 1, 1, 0, 0, 14, TimeSpan.Zero));
        asked.Should().Be(3);
        server.Requests.Select(request => request.Body).Distinct().Should().ContainSingle().Which.Should().Contain("\"m\"");
    }

    [Fact]
    public async Task Throttled_write_is_fenced_before_each_try()
    {
        VirtualTimeProvider clock = new();
        bool leads = true;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (_, context) =>
            {
                leads = false;
                context.Response.Headers.RetryAfter = "7";
                return context.StatusAsync(429, "TooManyRequests");
            }
        );
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock, WriteFence = () => leads });
        Task creating = client.CreateAsync(Map(), default);
        await clock.RunUntilAsync(() => creating.IsCompleted, TimeSpan.FromMinutes(5));
        await FluentActions.Awaiting(() => creating).Should().ThrowAsync<LeadershipLostException>();
        server.Requests.Should().ContainSingle();
    }

    [Fact]
    public async Task Deadline_of_a_request_starts_anew_with_each_try()
    {
        VirtualTimeProvider clock = new();
        int asked = 0;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (request, context) =>
            {
                if (Interlocked.Increment(ref asked) > 4)
                    return context.JsonAsync(request.Body, 201);
                context.Response.Headers.RetryAfter = "20";
                return context.StatusAsync(429, "TooManyRequests");
            }
        );
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock, RequestTimeout = TimeSpan.FromSeconds(60) });
        Task<V1ConfigMap> creating = client.CreateAsync(Map(), default);
        await clock.RunUntilAsync(() => creating.IsCompleted, TimeSpan.FromMinutes(5));
        (await creating).Metadata.Name.Should().Be("m");
        clock.GetUtcNow().Should().BeOnOrAfter(new DateTimeOffset(2026, 1, 1, 0, 1, 20, TimeSpan.Zero));
    }

    [Fact]
    public async Task Server_that_does_not_answer_lists_counts_as_unreachable()
    {
        VirtualTimeProvider clock = new();
        await using ScriptedServer server = await ScriptedServer.StartAsync((_, context) => context.HoldAsync(headers: false));
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        for (int i = 0; i < 3; i++)
        {
            client.IsUnreachable.Should().BeFalse();
            Task<KubeList<V1Node>> listing = client.ListAsync<V1Node>(new ListOptions(), default);
            await Until.TrueAsync(() => listing.IsCompleted, "the timeout", () => clock.Advance(TimeSpan.FromSeconds(61)));
            await FluentActions.Awaiting(() => listing).Should().ThrowAsync<TimeoutException>();
        }

        client.IsUnreachable.Should().BeTrue();
    }

    [Fact]
    public async Task Virtual_time_passes_while_a_throttled_request_waits()
    {
        VirtualTimeProvider clock = new();
        ActivityTracker tracker = ActivityTracker.From(clock)!;
        int asked = 0;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (_, context) =>
            {
                tracker.IsIdle.Should().BeFalse();
                if (Interlocked.Increment(ref asked) > 1)
                    return context.JsonAsync(Answers.Map("m", "1"));
                context.Response.Headers.RetryAfter = "7";
                return context.StatusAsync(429, "TooManyRequests");
            }
        );
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        Task<V1ConfigMap> reading = client.GetAsync<V1ConfigMap>("m", "a", default);
        await tracker.WhenIdleAsync(default).WaitAsync(TimeSpan.FromSeconds(30));
        reading.IsCompleted.Should().BeFalse();
        clock.Advance(TimeSpan.FromSeconds(7));
        (await reading).Metadata.Name.Should().Be("m");
        tracker.IsIdle.Should().BeTrue();
    }

    [Fact]
    public async Task Server_that_always_answers_429_fails_with_its_message()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (_, context) =>
            {
                context.Response.Headers.RetryAfter = "0";
                return context.StatusAsync(429, "TooManyRequests", "busy");
            }
        );
        using KubeClient client = server.Client();
        ApiException refusal = (
            await FluentActions.Awaiting(() => client.GetAsync<V1ConfigMap>("m", "a", default)).Should().ThrowAsync<ApiException>()
        ).Which;
        refusal.StatusCode.Should().Be(429);
        refusal.Message.Should().Contain("busy");
        server.Requests.Should().HaveCount(6);
    }

    [Fact]
    public async Task Reads_are_tried_again_after_a_server_error_and_writes_are_not()
    {
        int asked = 0;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (request, context) =>
                request.Method == "GET" && Interlocked.Increment(ref asked) > 1
                    ? context.JsonAsync(Answers.Map("m", "1"))
                    : context.StatusAsync(500, "InternalError")
        );
        using KubeClient client = server.Client();
        (await client.GetAsync<V1ConfigMap>("m", "a", default)).Data["v"].Should().Be("1");
        server.Requests.Clear();
        await FluentActions.Awaiting(() => client.CreateAsync(Map(), default)).Should().ThrowAsync<ApiException>();
        server.Requests.Should().ContainSingle();
    }

    [Fact]
    public async Task Patches_declare_their_content_type()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync((_, context) => context.JsonAsync(Answers.Map("m", "1")));
        using KubeClient client = server.Client();
        await client.PatchAsync<V1Job>(
            "j",
            "a",
            KubePatch.Json(
                PatchOperation.Test("/spec/suspend", false),
                PatchOperation.Replace("/spec/suspend", true),
                PatchOperation.Remove(PatchOperation.Pointer("metadata", "annotations", "bursar.dev/x~y"))
            ),
            default
        );
        await client.PatchAsync<V1Job>(
            "j",
            "a",
            KubePatch.Merge(new JsonObject { ["status"] = null }) with
            {
                Subresource = "status",
                FieldManager = "b",
            },
            default
        );
        await client.PatchAsync<V1Deployment>(
            "d",
            "a",
            KubePatch.Json(PatchOperation.Test("/spec/replicas", 2)) with
            {
                Subresource = "scale",
            },
            default
        );
        await client.DeleteAsync<V1Node>("n", null, new DeleteOptions { Uid = "u", PropagationPolicy = "Background" }, default);

        server
            .Requests.Select(asked => (asked.Method, asked.Path + asked.Query, asked.ContentType, asked.Body))
            .Should()
            .Equal(
                (
                    "PATCH",
                    "/apis/batch/v1/namespaces/a/jobs/j",
                    "application/json-patch+json",
                    """[{"op":"test","path":"/spec/suspend","value":false},{"op":"replace","path":"/spec/suspend","value":true},{"op":"remove","path":"/metadata/annotations/bursar.dev~1x~0y"}]"""
                ),
                (
                    "PATCH",
                    "/apis/batch/v1/namespaces/a/jobs/j/status?fieldManager=b",
                    "application/merge-patch+json",
                    """{"status":null}"""
                ),
                (
                    "PATCH",
                    "/apis/apps/v1/namespaces/a/deployments/d/scale",
                    "application/json-patch+json",
                    """[{"op":"test","path":"/spec/replicas","value":2}]"""
                ),
                (
                    "DELETE",
                    "/api/v1/nodes/n",
                    "application/json",
                    """{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background","preconditions":{"uid":"u"}}"""
                )
            );
        server.Requests.Should().OnlyContain(asked => asked.Headers["User-Agent"].StartsWith("bursar/"));
    }

    [Fact]
    public async Task Plain_text_refusals_keep_their_text()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (_, context) =>
            {
                context.Response.StatusCode = 403;
                return context.Response.Body.WriteAsync("go away"u8.ToArray()).AsTask();
            }
        );
        using KubeClient client = server.Client();
        ApiException refusal = (
            await FluentActions.Awaiting(() => client.GetAsync<V1Node>("n", null, default)).Should().ThrowAsync<ApiException>()
        ).Which;
        (refusal.IsForbidden, refusal.Message).Should().Be((true, "GET /api/v1/nodes/n: go away"));
    }

    [Fact]
    public async Task Silence_is_a_timeout_and_not_a_cancellation()
    {
        VirtualTimeProvider clock = new();
        await using ScriptedServer server = await ScriptedServer.StartAsync((_, context) => context.HoldAsync());
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        Task<V1Node> reading = client.GetAsync<V1Node>("n", null, default);
        await Until.TrueAsync(() => reading.IsCompleted, "the timeout", () => clock.Advance(TimeSpan.FromSeconds(61)));
        await FluentActions.Awaiting(() => reading).Should().ThrowAsync<TimeoutException>();
    }

    [Fact]
    public async Task Discovery_queries_each_group_if_the_aggregated_form_is_missing()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            (asked, context) =>
                asked.Path switch
                {
                    "/apis" => context.JsonAsync("""{"kind":"APIGroupList","groups":[]}"""),
                    "/apis/batch/v1" => context.JsonAsync(
                        """{"kind":"APIResourceList","resources":[{"name":"jobs"},{"name":"jobs/status"}]}"""
                    ),
                    _ => context.StatusAsync(404, "NotFound"),
                }
        );
        using KubeClient client = server.Client();
        (await client.IsServedAsync<V1Job>(default)).Should().BeTrue();
        (await client.IsServedAsync<V1CronJob>(default)).Should().BeFalse();
        (await client.IsServedAsync<V1ScaledObject>(default)).Should().BeFalse();
        server.Requests.First().Headers["Accept"].Should().Contain("as=APIGroupDiscoveryList");
    }

    [Fact]
    public async Task Activity_covers_requests_and_watch_events_until_they_are_handled()
    {
        VirtualTimeProvider clock = new();
        ActivityTracker tracker = ActivityTracker.From(clock)!;
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (asked, context) =>
            {
                if (asked.IsWatch)
                {
                    Guid stream = Guid.Parse(asked.Headers[ActivityTracker.Header]);
                    tracker.Sent(stream);
                    await context.EventAsync("ADDED", Answers.Map("m", "1"));
                    await context.HoldAsync();
                    tracker.Sent(stream);
                    return;
                }

                tracker.IsIdle.Should().BeFalse();
                await context.JsonAsync(Answers.Map("m", "1"));
            }
        );
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        await client.GetAsync<V1ConfigMap>("m", "a", default);
        tracker.IsIdle.Should().BeTrue();
        using CancellationTokenSource stop = new();
        await using (
            IAsyncEnumerator<WatchEvent<V1ConfigMap>> watch = client
                .WatchAsync<V1ConfigMap>(new WatchOptions(), stop.Token)
                .GetAsyncEnumerator()
        )
        {
            (await watch.MoveNextAsync()).Should().BeTrue();
            tracker.IsIdle.Should().BeFalse("the event is not handled yet");
            ValueTask<bool> next = watch.MoveNextAsync();
            tracker.IsIdle.Should().BeTrue();
            await stop.CancelAsync();
            await FluentActions.Awaiting(() => next.AsTask()).Should().ThrowAsync<OperationCanceledException>();
        }

        tracker.IsIdle.Should().BeTrue();
    }

    private static V1ConfigMap Map() =>
        new()
        {
            Metadata = new V1ObjectMeta { Name = "m", Namespace = "a" },
        };
}
