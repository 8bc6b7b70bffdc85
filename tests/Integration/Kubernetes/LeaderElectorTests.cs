using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Leases;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Http;

namespace Bursar.Tests.Integration.Kubernetes;

public class LeaderElectorTests
{
    private readonly LeaseServer _server = new();

    [Fact]
    public async Task First_candidate_leads_and_releases_the_lease()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(_server.AnswerAsync);
        VirtualTimeProvider clock = new();
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        LeaderElector elector = Elector(client, "one");
        elector.MayWrite.Should().BeFalse();
        bool could = false;
        await elector.RunAsLeaderAsync(
            _ =>
            {
                could = elector.MayWrite;
                return Task.CompletedTask;
            },
            default
        );
        could.Should().BeTrue();
        elector.MayWrite.Should().BeFalse();
        _server.Holder.Should().BeEmpty();
    }

    [Fact]
    public async Task Renewal_without_an_awaited_answer_does_not_prevent_release_of_the_lease()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(_server.AnswerAsync);
        VirtualTimeProvider clock = new();
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        TaskCompletionSource leading = new(),
            done = new();
        Task run = Elector(client, "one")
            .RunAsLeaderAsync(
                _ =>
                {
                    leading.SetResult();
                    return done.Task;
                },
                default
            );
        await leading.Task.WaitAsync(TimeSpan.FromSeconds(30));
        _server.Silent = true;
        int writes = _server.Writes;
        // Small steps: on a busy machine the request needs its time, and the clock must not pass its deadline before it arrives.
        int looks = 0;
        await Until.TrueAsync(
            () => _server.Writes > writes,
            "a renewal that is not answered",
            () =>
            {
                if (looks++ % 20 == 0)
                    clock.Advance(TimeSpan.FromMilliseconds(500));
            }
        );
        _server.Silent = false;

        done.SetResult();
        await run.WaitAsync(TimeSpan.FromSeconds(30));

        _server.Holder.Should().BeEmpty();
    }

    [Fact]
    public async Task Expiry_is_judged_by_the_local_clock_and_not_by_the_holders()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(_server.AnswerAsync);
        // The holder's clock is a day behind: by its renewTime the lease looks expired, but it is renewed.
        VirtualTimeProvider early = new(new DateTimeOffset(2025, 12, 31, 0, 0, 0, TimeSpan.Zero));
        VirtualTimeProvider late = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        using KubeClient first = server.Client(new KubeClientOptions { TimeProvider = early });
        using KubeClient second = server.Client(new KubeClientOptions { TimeProvider = late });
        LeaderElector holder = Elector(first, "holder"),
            waiter = Elector(second, "waiter");
        using CancellationTokenSource stop = new();
        TaskCompletionSource holding = new(),
            taken = new();
        Task holds = holder.RunAsLeaderAsync(Leading(holding), stop.Token);
        await holding.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Task waits = waiter.RunAsLeaderAsync(Leading(taken), stop.Token);

        // Both clocks run for a minute, in which the holder renews.
        int renewals = _server.Writes;
        for (int second_ = 0; second_ < 60; second_++)
        {
            int writes = _server.Writes;
            early.Advance(TimeSpan.FromSeconds(1));
            if (second_ % 2 == 1)
                await Until.TrueAsync(
                    () => _server.Writes > writes || !holder.MayWrite,
                    "a renewal",
                    () => early.Advance(TimeSpan.FromMilliseconds(20))
                );
            late.Advance(TimeSpan.FromSeconds(1));
        }

        (_server.Writes - renewals).Should().BeGreaterThan(20);
        taken.Task.IsCompleted.Should().BeFalse();
        holder.MayWrite.Should().BeTrue();

        // The holder's machine is suspended, so only the candidate's clock runs.
        long from = late.GetTimestamp();
        await Until.TrueAsync(() => taken.Task.IsCompleted, "the take-over", () => late.Advance(TimeSpan.FromMilliseconds(500)));
        late.GetElapsedTime(from).Should().BeGreaterThan(TimeSpan.FromSeconds(12));
        waiter.MayWrite.Should().BeTrue();
        _server.Holder.Should().Be("waiter");

        // The holder wakes up: before its first renewal it may not write.
        early.Advance(TimeSpan.FromSeconds(10.1));
        holder.MayWrite.Should().BeFalse();
        await FluentActions.Awaiting(() => holds).Should().ThrowAsync<LeadershipLostException>();
        await stop.CancelAsync();
        await waits.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task Leader_that_cannot_renew_is_fenced_before_another_can_lead()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(_server.AnswerAsync);
        VirtualTimeProvider clock = new();
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        LeaderElector elector = Elector(client, "one");
        using KubeClient fenced = server.Client(new KubeClientOptions { TimeProvider = clock, WriteFence = () => elector.MayWrite });
        TaskCompletionSource leading = new();
        bool cancelled = false;
        Task run = elector.RunAsLeaderAsync(
            async token =>
            {
                leading.SetResult();
                try
                {
                    await Task.Delay(Timeout.Infinite, token);
                }
                finally
                {
                    cancelled = true;
                }
            },
            default
        );
        await leading.Task.WaitAsync(TimeSpan.FromSeconds(30));
        V1ConfigMap obj = new()
        {
            Metadata = new V1ObjectMeta { Name = "x", Namespace = "a" },
        };
        await fenced.CreateAsync(obj, default);

        _server.Broken = true;
        await Until.TrueAsync(() => !elector.MayWrite, "the fence", () => clock.Advance(TimeSpan.FromMilliseconds(200)));
        (clock.GetUtcNow() - new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero)).Should().BeLessThan(TimeSpan.FromSeconds(12));
        int before = server.Requests.Count(asked => asked.Path.EndsWith("configmaps", StringComparison.Ordinal));
        await FluentActions.Awaiting(() => fenced.CreateAsync(obj, default)).Should().ThrowAsync<LeadershipLostException>();
        server.Requests.Count(asked => asked.Path.EndsWith("configmaps", StringComparison.Ordinal)).Should().Be(before);
        await Until.TrueAsync(() => run.IsCompleted, "the loss", () => clock.Advance(TimeSpan.FromMilliseconds(200)));
        await FluentActions.Awaiting(() => run).Should().ThrowAsync<LeadershipLostException>();
        cancelled.Should().BeTrue();
    }

    [Fact]
    public async Task Wall_clock_set_back_does_not_extend_the_lease()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(_server.AnswerAsync);
        VirtualTimeProvider clock = new();
        using KubeClient client = server.Client(new KubeClientOptions { TimeProvider = clock });
        LeaderElector elector = Elector(client, "one");
        using CancellationTokenSource stop = new();
        TaskCompletionSource leading = new();
        Task run = elector.RunAsLeaderAsync(Leading(leading), stop.Token);
        await leading.Task.WaitAsync(TimeSpan.FromSeconds(30));
        _server.Broken = true;
        clock.SkewWall(TimeSpan.FromHours(-1));
        clock.Advance(TimeSpan.FromSeconds(10.5));
        elector.MayWrite.Should().BeFalse();
        await Until.TrueAsync(() => run.IsCompleted, "the loss", () => clock.Advance(TimeSpan.FromSeconds(1)));
        await FluentActions.Awaiting(() => run).Should().ThrowAsync<LeadershipLostException>();
    }

    [Fact]
    public async Task Lease_goes_to_one_of_several_candidates()
    {
        await using ScriptedServer server = await ScriptedServer.StartAsync(_server.AnswerAsync);
        using KubeClient client = server.Client();
        using CancellationTokenSource stop = new();
        ConcurrentBag<string> leaders = [];
        Task[] runs =
        [
            .. Enumerable
                .Range(0, 8)
                .Select(i =>
                    Elector(client, $"r{i}")
                        .RunAsLeaderAsync(
                            async token =>
                            {
                                leaders.Add($"r{i}");
                                await Task.Delay(Timeout.Infinite, token);
                            },
                            stop.Token
                        )
                ),
        ];
        await Until.TrueAsync(() => !leaders.IsEmpty && _server.Reads >= 8, "a leader");
        leaders.Should().ContainSingle().Which.Should().Be(_server.Holder);
        await stop.CancelAsync();
        await Task.WhenAll(runs).WaitAsync(TimeSpan.FromSeconds(30));
    }

    private static LeaderElector Elector(KubeClient client, string identity) =>
        new(
            client,
            new LeaderElectorOptions
            {
                Namespace = "a",
                Name = "lead",
                Identity = identity,
            }
        );

    private static Func<CancellationToken, Task> Leading(TaskCompletionSource started) =>
        async token =>
        {
            started.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
        };

    /// <summary>Keeps one lease, with the API server's optimistic concurrency.</summary>
    private sealed class LeaseServer
    {
        private readonly Lock _lock = new();
        private JsonObject? _lease;
        private int _version;
        private int _reads;

        public bool Broken { get; set; }

        /// <summary>Whether writes are applied without an answer.</summary>
        public bool Silent { get; set; }

        public int Writes
        {
            get
            {
                lock (_lock)
                    return _version;
            }
        }

        public int Reads => _reads;

        public string Holder
        {
            get
            {
                lock (_lock)
                    return _lease!["spec"]!["holderIdentity"]!.GetValue<string>();
            }
        }

        public Task AnswerAsync(RecordedRequest asked, HttpContext context)
        {
            if (!asked.Path.Contains("/leases", StringComparison.Ordinal))
                return context.JsonAsync(asked.Body, 201);
            if (Broken)
                return context.StatusAsync(503, "ServiceUnavailable");
            string answer;
            int status = 200;
            lock (_lock)
            {
                if (asked.Method == "GET")
                {
                    _reads++;
                    if (_lease is null)
                        return context.StatusAsync(404, "NotFound");
                }
                else if (asked.Method == "POST")
                {
                    if (_lease is not null)
                        return context.StatusAsync(409, "AlreadyExists");
                    _lease = JsonNode.Parse(asked.Body)!.AsObject();
                    _lease["metadata"]!["resourceVersion"] = (++_version).ToString();
                    status = 201;
                }
                else
                {
                    asked.ContentType.Should().StartWith("application/merge-patch+json");
                    JsonNode patch = JsonNode.Parse(asked.Body)!;
                    if (
                        patch["metadata"]!["resourceVersion"]!.GetValue<string>()
                        != _lease!["metadata"]!["resourceVersion"]!.GetValue<string>()
                    )
                        return context.StatusAsync(409, "Conflict");
                    foreach ((string field, JsonNode? value) in patch["spec"]!.AsObject())
                        _lease["spec"]![field] = value?.DeepClone();
                    _lease["spec"]!["renewTime"]!.GetValue<string>().Should().MatchRegex(@"\.\d{6}Z$");
                    _lease["metadata"]!["resourceVersion"] = (++_version).ToString();
                }

                answer = _lease.ToJsonString();
            }

            return Silent ? context.HoldAsync() : context.JsonAsync(answer, status);
        }
    }
}
