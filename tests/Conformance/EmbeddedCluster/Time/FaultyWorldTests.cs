using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Leases;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox;
using Bursar.Sandbox.ApiServer;
using Bursar.Sandbox.Time;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Time;

/// <summary>
/// Virtual time continues under every fault of the server. A leak, or a wait that counts as work, throws <see
/// cref="WorldNotIdleException"/>.
/// </summary>
public sealed class FaultyWorldTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Work_item_waits_out_what_its_request_waits_for()
    {
        await using var world = await World.StartAsync();
        world.Faults.Add(new(new Fault.Answer(429, RetryAfterSeconds: 7)) { Verb = "create", Times = 2 });
        using var queue = world.Work(key => world.CreateMapAsync(key));

        queue.Add("a");
        await world.Time.AdvanceAsync(TimeSpan.FromSeconds(13));
        queue.Stats.Processing.Should().Be(1, "twice seven seconds are not over");
        await world.Time.AdvanceAsync(TimeSpan.FromSeconds(2));

        queue.Stats.Processing.Should().Be(0);
        (await world.MapsAsync()).Should().Equal("a");
    }

    [Fact]
    public async Task Work_item_waits_out_a_slow_answer()
    {
        await using var world = await World.StartAsync();
        world.Faults.Add(new(new Fault.Delay(TimeSpan.FromSeconds(20))) { Verb = "create", Times = 1 });
        using var queue = world.Work(key => world.CreateMapAsync(key));

        queue.Add("a");
        await world.Time.AdvanceAsync(TimeSpan.FromSeconds(19));
        (await world.MapsAsync()).Should().BeEmpty();
        await world.Time.AdvanceAsync(TimeSpan.FromSeconds(2));

        (await world.MapsAsync()).Should().Equal("a");
    }

    [Fact]
    public async Task Key_waits_for_the_worker_that_waits_for_a_timer()
    {
        await using var world = await World.StartAsync();
        world.Faults.Add(new(new Fault.Answer(429, RetryAfterSeconds: 5)) { Verb = "create", Times = 1 });
        using var queue = world.Work(async key =>
        {
            if ((await world.MapsAsync()).Count < 2)
                await world.CreateMapAsync($"{key}{(await world.MapsAsync()).Count}");
        });

        queue.Add("a");
        await world.Time.AdvanceAsync(TimeSpan.FromSeconds(1));
        // Both are added while the only worker waits: the key in progress once more, and another one.
        queue.Add("a");
        queue.Add("b");
        await world.Time.AdvanceAsync(TimeSpan.FromSeconds(1));
        queue.Stats.Processing.Should().Be(1);
        await world.Time.AdvanceAsync(TimeSpan.FromSeconds(4));

        queue.Stats.Should().Match<WorkQueueStats>(stats => stats.Processing == 0 && stats.Waiting == 0);
        (await world.MapsAsync()).Should().HaveCount(2);
    }

    [Fact]
    public async Task Event_waits_for_the_one_before_it_and_none_is_accepted_after_the_end()
    {
        await using var world = await World.StartAsync();
        world.Faults.Add(new(new Fault.Answer(500)) { Resource = "events", Times = 2 });
        var recorder = new EventRecorder(world.Client, new() { ReportingInstance = "test" });
        using var stop = new CancellationTokenSource();
        var running = Task.Run(() => recorder.RunAsync(stop.Token));
        foreach (var reason in (string[])["One", "Two", "Three"])
            recorder.Publish(Event(reason));

        await world.Time.AdvanceAsync(TimeSpan.FromSeconds(10));
        recorder.Written.Should().Be(3);
        await stop.CancelAsync();
        await running;
        recorder.Publish(Event("Late"));
        await world.Time.AdvanceAsync(TimeSpan.FromSeconds(1));

        recorder.Dropped.Should().Be(1);
    }

    [Fact]
    public async Task Events_that_the_server_rejects_do_not_delay_the_shutdown()
    {
        await using var world = await World.StartAsync();
        world.Faults.Add(new(new Fault.Answer(500)) { Resource = "events" });
        var recorder = new EventRecorder(world.Client, new() { ReportingInstance = "test", DrainTime = TimeSpan.FromSeconds(2) });
        using var stop = new CancellationTokenSource();
        var running = Task.Run(() => recorder.RunAsync(stop.Token));
        foreach (var reason in (string[])["One", "Two", "Three"])
            recorder.Publish(Event(reason));
        await stop.CancelAsync();

        await world.Time.AdvanceAsync(TimeSpan.FromSeconds(30));

        await running;
        (recorder.Written, recorder.Dropped).Should().Be((0, 3));
        ActivityTracker.From(world.Time)!.ToString().Should().Be("nothing");
    }

    private static KubeEvent Event(string reason) =>
        new()
        {
            Regarding = new()
            {
                Kind = "ConfigMap",
                Namespace = "default",
                Name = "m",
                Uid = "u",
            },
            Reason = reason,
            Action = "Test",
            Note = reason,
        };

    [Fact]
    public async Task Answer_slower_than_the_patience_is_a_timeout_at_its_moment()
    {
        await using var world = await World.StartAsync();
        world.Faults.Add(new(new Fault.Delay(TimeSpan.FromMinutes(5))) { Verb = "create", Times = 1 });
        DateTimeOffset? failedAt = null;
        using var queue = world.Work(async key =>
        {
            try
            {
                await world.CreateMapAsync(key);
            }
            catch (TimeoutException)
            {
                failedAt = world.Time.GetUtcNow();
            }
        });

        queue.Add("a");
        await world.Time.AdvanceAsync(TimeSpan.FromMinutes(10));

        failedAt.Should().Be(Start + TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task Waiter_for_a_lock_also_waits_for_the_request_of_its_holder()
    {
        await using var world = await World.StartAsync();
        world.Faults.Add(new(new Fault.Answer(429, RetryAfterSeconds: 5)) { Verb = "create", Times = 1 });
        var gate = new AsyncLock(world.Time, "the test");
        using var queue = world.Work(
            async key =>
            {
                using var pass = await gate.EnterAsync(CancellationToken.None);
                await world.CreateMapAsync(key);
            },
            workers: 3
        );

        foreach (var key in (string[])["a", "b", "c"])
            queue.Add(key);
        await world.Time.AdvanceAsync(TimeSpan.FromSeconds(6));

        (await world.MapsAsync()).Should().Equal("a", "b", "c");
    }

    [Fact]
    public async Task Cache_fills_in_spite_of_errors_and_then_follows()
    {
        await using var world = await World.StartAsync();
        await world.CreateMapAsync("a");
        world.Faults.Add(
            new(new Fault.Answer(500))
            {
                Client = World.Agent,
                Verb = "watch",
                Times = 7,
            }
        );
        world.Faults.Add(
            new(new Fault.Answer(429))
            {
                Client = World.Agent,
                Verb = "watch",
                Times = 3,
            }
        );
        using var cache = world.Cache();

        (await world.Time.RunUntilAsync(() => cache.Informer.HasSynced, TimeSpan.FromMinutes(2))).Should().BeTrue();
        await world.CreateMapAsync("b");
        await world.Time.AdvanceAsync(TimeSpan.Zero);

        cache.Names.Should().Equal("a", "b");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Watches_cut_while_they_open_leave_nothing_behind(int lines)
    {
        await using var world = await World.StartAsync();
        for (var i = 0; i < 8; i++)
            await world.CreateMapAsync($"m{i}");
        world.Faults.Add(new(new Fault.CutWatch(lines)) { Client = World.Agent, Times = 12 });
        using var cache = world.Cache();

        (await world.Time.RunUntilAsync(() => cache.Informer.HasSynced, TimeSpan.FromMinutes(10))).Should().BeTrue();
        await world.Time.AdvanceAsync(TimeSpan.FromMinutes(5));

        cache.Names.Should().HaveCount(8);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Cache_equals_the_cluster_after_cuts_expiries_and_refusals_at_random(int seed)
    {
        await using var world = await World.StartAsync(seed);
        var chance = new Random(seed);
        foreach (
            var fault in (Fault[])
                [
                    new Fault.CutWatch(chance.Next(4)),
                    new Fault.ExpireWatch(),
                    new Fault.Answer(500),
                    new Fault.Answer(429),
                    new Fault.Delay(TimeSpan.FromMilliseconds(300)),
                ]
        )
            world.Faults.Add(new(fault) { Client = World.Agent, Probability = 0.15 });
        using var cache = world.Cache();
        for (var i = 0; i < 60; i++)
        {
            await world.CreateMapAsync($"m{i}");
            if (chance.Next(3) == 0)
                world.Faults.CutWatches();
            if (chance.Next(8) == 0)
                world.Sandbox.Compact();
            if (chance.Next(3) == 0)
                await world.Client.DeleteAsync<V1ConfigMap>($"m{i}", "default", null, CancellationToken.None);
            await world.Time.AdvanceAsync(TimeSpan.FromSeconds(chance.NextDouble() * 2));
        }
        world.Faults.Clear();
        world.Faults.CutWatches();
        await world.Time.AdvanceAsync(TimeSpan.FromMinutes(2));

        // A last line on the wire may be read a moment after time has come to its end; one that was lost never is.
        var maps = await world.MapsAsync();
        await world.Time.RunUntilAsync(() => cache.Names.SequenceEqual(maps), TimeSpan.FromMinutes(2));
        // On a busy machine no thread may have read it yet, however much virtual time has passed.
        using var patience = new CancellationTokenSource(IdleTimeout);
        while (!cache.Names.SequenceEqual(maps) && !patience.IsCancellationRequested)
            await Task.Delay(20);
        cache.Names.Should().Equal(maps);
    }

    [Fact]
    public async Task Leader_survives_failed_renewals_even_if_the_read_after_a_conflict_fails()
    {
        await using var world = await World.StartAsync();
        using var operatorClient = world.NewClient(World.Agent);
        var elector = new LeaderElector(
            operatorClient,
            new()
            {
                Namespace = "default",
                Name = "lead",
                Identity = "one",
            }
        );
        using var stop = new CancellationTokenSource();
        var leading = new TaskCompletionSource();
        var run = Task.Run(() =>
            elector.RunAsLeaderAsync(
                async token =>
                {
                    leading.TrySetResult();
                    await Task.Delay(Timeout.Infinite, token);
                },
                stop.Token
            )
        );
        await leading.Task.WaitAsync(IdleTimeout);
        world.Faults.Add(
            new(new Fault.Answer(409))
            {
                Client = World.Agent,
                Resource = "leases",
                Verb = "patch",
                Times = 1,
            }
        );
        world.Faults.Add(
            new(new Fault.Answer(403))
            {
                Client = World.Agent,
                Resource = "leases",
                Verb = "get",
                Times = 1,
            }
        );
        world.Faults.Add(
            new(new Fault.Answer(429, RetryAfterSeconds: 2))
            {
                Client = World.Agent,
                Resource = "leases",
                Verb = "patch",
                Times = 1,
            }
        );

        await world.Time.AdvanceAsync(TimeSpan.FromSeconds(30));

        world.Faults.Shown.Should().Be(3);
        run.IsCompleted.Should().BeFalse();
        elector.MayWrite.Should().BeTrue();
        await stop.CancelAsync();
        await run.WaitAsync(IdleTimeout);
    }

    [Fact]
    public async Task World_that_does_not_settle_names_the_pending_work()
    {
        await using var world = await World.StartAsync(idleTimeout: TimeSpan.FromSeconds(2));
        var stuck = new TaskCompletionSource();
        using var queue = world.Work(_ => stuck.Task);
        queue.Add("a/b");

        var said = (await FluentActions.Awaiting(() => world.Time.AdvanceAsync(TimeSpan.Zero)).Should().ThrowAsync<WorldNotIdleException>())
            .Which
            .Message;

        said.Should().Contain("queue of test: a/b");
        stuck.SetResult();
        await world.Time.AdvanceAsync(TimeSpan.Zero);
        ActivityTracker.From(world.Time)!.ToString().Should().Be("nothing");
    }

    /// <summary>A Sandbox, a client that faults may single out, and a clock that gives up soon.</summary>
    private sealed class World : IAsyncDisposable
    {
        public const string Agent = "subject/1";

        private World(Bursar.Sandbox.Sandbox sandbox, VirtualTimeProvider time)
        {
            Sandbox = sandbox;
            Time = time;
            Client = NewClient("test/1");
        }

        public Bursar.Sandbox.Sandbox Sandbox { get; }

        public VirtualTimeProvider Time { get; }

        public KubeClient Client { get; }

        public FaultPlan Faults => Sandbox.Faults;

        public static async Task<World> StartAsync(int seed = 1, TimeSpan? idleTimeout = null)
        {
            var time = new VirtualTimeProvider(Start, idleTimeout: idleTimeout ?? IdleTimeout);
            var sandbox = await Bursar.Sandbox.Sandbox.StartAsync(
                new SandboxOptions { Time = time, Faults = new FaultPlan(new Random(seed)) },
                CancellationToken.None
            );
            return new World(sandbox, time);
        }

        public KubeClient NewClient(string agent) =>
            new(
                new KubeConfig
                {
                    Server = Sandbox.Address,
                    CertificateAuthorityPem = Sandbox.CertificateAuthority,
                    Token = Sandbox.Token,
                },
                new KubeClientOptions { TimeProvider = Time, UserAgent = agent }
            );

        public Task CreateMapAsync(string name) =>
            Client.CreateAsync(
                new V1ConfigMap
                {
                    Metadata = new() { Name = name, Namespace = "default" },
                },
                CancellationToken.None
            );

        public async Task<IReadOnlyList<string>> MapsAsync() =>
            [
                .. (await Client.ListAsync<V1ConfigMap>(new() { Namespace = "default" }, CancellationToken.None))
                    .Items.Select(map => map.Metadata.Name)
                    .Order(StringComparer.Ordinal),
            ];

        /// <summary>A queue whose workers do this with each key.</summary>
        public WorkQueue<string> Work(Func<string, Task> act, int workers = 1)
        {
            var queue = new WorkQueue<string>(Time, name: "test");
            for (var i = 0; i < workers; i++)
                _ = Task.Run(() => queue.RunAsync((key, _) => act(key), CancellationToken.None));
            return queue;
        }

        public FollowedMaps Cache() => new(this);

        public async ValueTask DisposeAsync()
        {
            Client.Dispose();
            await Sandbox.DisposeAsync();
        }
    }

    /// <summary>A running cache of ConfigMaps, through a client that faults single out.</summary>
    private sealed class FollowedMaps : IDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly KubeClient _client;

        public FollowedMaps(World world)
        {
            _client = world.NewClient(World.Agent);
            Informer = new(_client, new() { Namespace = "default" });
            _ = Informer.RunAsync(_stop.Token);
        }

        public Informer<V1ConfigMap> Informer { get; }

        public IReadOnlyList<string> Names => [.. Informer.Store.List().Select(map => map.Metadata.Name).Order(StringComparer.Ordinal)];

        public void Dispose()
        {
            _stop.Cancel();
            _client.Dispose();
            _stop.Dispose();
        }
    }
}
