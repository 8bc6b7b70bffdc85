using Bursar.Concurrency;
using Bursar.Kubernetes.Http;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Kubernetes;

public class WorkQueueTests
{
    private readonly VirtualTimeProvider _clock = new();

    [Fact]
    public async Task Waiting_key_is_not_added_twice()
    {
        using WorkQueue<string> queue = new(_clock);
        queue.Add("a");
        queue.Add("a");
        (await TakeAsync(queue)).Should().Be("a");
        queue.Done("a");
        queue.Stats.Waiting.Should().Be(0);
    }

    [Fact]
    public async Task Key_added_while_it_is_processed_waits_for_its_end()
    {
        using WorkQueue<string> queue = new(_clock);
        queue.Add("a");
        await TakeAsync(queue);
        queue.Add("a");
        queue.Stats.Waiting.Should().Be(0);
        queue.Done("a");
        queue.Stats.Waiting.Should().Be(1);
    }

    [Fact]
    public async Task Earliest_of_several_delays_applies()
    {
        using WorkQueue<string> queue = new(_clock);
        queue.AddAfter("a", TimeSpan.FromSeconds(10));
        queue.AddAfter("a", TimeSpan.FromSeconds(3));
        queue.AddAfter("a", TimeSpan.FromSeconds(20));
        _clock.Advance(TimeSpan.FromSeconds(2));
        queue.Stats.Waiting.Should().Be(0);
        _clock.Advance(TimeSpan.FromSeconds(1));
        (await TakeAsync(queue)).Should().Be("a");
        queue.Done("a");
        _clock.Advance(TimeSpan.FromMinutes(1));
        queue.Stats.Should().BeEquivalentTo(new { Waiting = 0, Delayed = 0 });
    }

    [Fact]
    public async Task Failing_key_is_retried_at_most_five_minutes_apart()
    {
        using WorkQueue<string> queue = new(_clock);
        queue.Add("a");
        List<TimeSpan> waits = [];
        for (int i = 0; i < 60; i++)
        {
            await TakeAsync(queue);
            DateTimeOffset failed = _clock.GetUtcNow();
            queue.AddRateLimited("a");
            queue.Done("a");
            waits.Add(_clock.NextDue!.Value - failed);
            _clock.Advance(waits[^1]);
            queue.Stats.Waiting.Should().Be(1);
        }

        waits.Take(4).Should().Equal(new[] { 5, 10, 20, 40 }.Select(ms => TimeSpan.FromMilliseconds(ms)));
        waits.Should().BeInAscendingOrder();
        waits[^1].Should().Be(TimeSpan.FromMinutes(5));
        queue.Forget("a");
        queue.AddRateLimited("a");
        (_clock.NextDue!.Value - _clock.GetUtcNow()).Should().Be(TimeSpan.FromMilliseconds(5));
    }

    [Fact]
    public void Backoff_grows_and_never_passes_its_cap()
    {
        BackoffOptions backoff = new();
        Prop.ForAll<int>(failures =>
            {
                TimeSpan wait = backoff.After(failures);
                return wait >= backoff.First
                    && wait <= backoff.Longest
                    && backoff.After(failures == int.MaxValue ? failures : failures + 1) >= wait;
            })
            .QuickCheckThrowOnFailure();
    }

    /// <summary>
    /// A key that is added after its last processing began is always processed again, and never by two workers at once.
    /// </summary>
    [Fact]
    public void No_key_is_lost_and_none_is_processed_twice_at_once()
    {
        Prop.ForAll(ArbMap.Default.ArbFor<(byte Op, byte Key)[]>(), steps =>
            {
                VirtualTimeProvider clock = new();
                using WorkQueue<int> queue = new(clock);
                HashSet<int> owed = [];
                HashSet<int> held = [];
                foreach ((byte op, byte raw) in steps)
                {
                    int key = raw % 4;
                    switch (op % 5)
                    {
                        case 0:
                            queue.Add(key);
                            owed.Add(key);
                            break;
                        case 1:
                            queue.AddAfter(key, TimeSpan.FromSeconds(raw));
                            owed.Add(key);
                            break;
                        case 2:
                            if (queue.Stats.Waiting == 0)
                                break;
                            int taken = TakeAsync(queue).GetAwaiter().GetResult();
                            if (!held.Add(taken))
                                return false;
                            owed.Remove(taken);
                            break;
                        case 3:
                            if (held.Remove(key))
                                queue.Done(key);
                            break;
                        default:
                            if (!held.Contains(key))
                                break;
                            queue.AddRateLimited(key);
                            owed.Add(key);
                            break;
                    }
                }

                foreach (int key in held)
                    queue.Done(key);
                clock.Advance(TimeSpan.FromHours(1));
                HashSet<int> rest = [];
                while (queue.Stats.Waiting > 0)
                {
                    int key = TakeAsync(queue).GetAwaiter().GetResult();
                    rest.Add(key);
                    queue.Done(key);
                }

                return owed.IsSubsetOf(rest);
            })
            .QuickCheckThrowOnFailure();
    }

    [Fact]
    public async Task Cancelled_wait_does_not_consume_a_signal()
    {
        using WorkQueue<string> queue = new(_clock);
        using CancellationTokenSource stop = new();
        Task<(bool, string)> cancelled = queue.TakeAsync(stop.Token).AsTask();
        Task<(bool Taken, string Key)> patient = queue.TakeAsync(default).AsTask();
        await stop.CancelAsync();
        await FluentActions.Awaiting(() => cancelled).Should().ThrowAsync<OperationCanceledException>();
        queue.Add("a");
        (await patient.WaitAsync(TimeSpan.FromSeconds(30))).Key.Should().Be("a");
    }

    [Fact]
    public async Task Queue_with_workers_is_active_while_keys_wait()
    {
        VirtualTimeProvider clock = new();
        ActivityTracker tracker = ActivityTracker.From(clock)!;
        using WorkQueue<string> queue = new(clock) { HasWorkers = false };
        queue.Add("a");
        tracker.IsIdle.Should().BeTrue("the queue has no workers");
        queue.HasWorkers = true;
        tracker.IsIdle.Should().BeFalse();
        await TakeAsync(queue);
        queue.Add("a");
        queue.Done("a");
        tracker.IsIdle.Should().BeFalse();
        await TakeAsync(queue);
        queue.AddRateLimited("a");
        queue.Done("a");
        tracker.IsIdle.Should().BeTrue("waiting for a timer is no activity");
        clock.Advance(TimeSpan.FromSeconds(1));
        tracker.IsIdle.Should().BeFalse();
    }

    private static async Task<TKey> TakeAsync<TKey>(WorkQueue<TKey> queue)
        where TKey : notnull
    {
        (bool taken, TKey key) = await queue.TakeAsync(default).AsTask().WaitAsync(TimeSpan.FromSeconds(30));
        taken.Should().BeTrue();
        return key;
    }
}
