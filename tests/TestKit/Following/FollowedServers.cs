using Bursar.Core.Scaling;
using Bursar.Sandbox.Nodes;

namespace Bursar.Tests.TestKit.Following;

/// <summary>The metrics of a server at a moment.</summary>
public readonly record struct ServerFigures(DateTimeOffset At, int Waiting, int Running, long Generated);

/// <summary>
/// A Deployment's replicas as its controller, the nodes and the servers make them: asked for, loading, ready, ending, gone.
/// </summary>
public sealed class FollowedServers
{
    private readonly FollowScene _scene;
    private readonly List<Server> _servers = [];
    private ScalingHistory _history = ScalingHistory.Empty;
    private int _made;

    public FollowedServers(FollowScene scene, int replicas)
    {
        _scene = scene;
        Load = new(scene.Model, scene.Requests);
        Replicas = replicas;
        for (var i = 0; i < replicas; i++)
            Add(FollowScene.Start - scene.Loading);
        Pass(FollowScene.Start);
    }

    public ServedLoad Load { get; }

    /// <summary>The requested replicas.</summary>
    public int Replicas { get; private set; }

    public IReadOnlyList<Server> Servers => _servers;

    public IEnumerable<Server> Staying => _servers.Where(server => !server.IsLeaving);

    public IEnumerable<Server> Ready => _servers.Where(server => server is { IsReady: true, IsLeaving: false });

    /// <summary>All replicas with a GPU, including terminating ones.</summary>
    public TimeSpan GpuTime { get; private set; }

    public int Ups { get; private set; }

    public int Downs { get; private set; }

    public int Peak { get; private set; }

    public void Scale(int replicas, DateTimeOffset now)
    {
        if (replicas == Replicas)
            return;
        if (replicas > Replicas)
            Ups++;
        else
            Downs++;
        _history = _history.WithScaled(Replicas, replicas, _scene.Behavior, now);
        Replicas = replicas;
        var staying = Staying.ToArray();
        for (var i = staying.Length; i < replicas; i++)
            Add(now);
        // The choice of a ReplicaSet: replicas that are not ready first, then those ready for the shortest time.
        foreach (
            var server in staying
                .OrderBy(server => server.IsReady)
                .ThenByDescending(server => server.Created)
                .Take(staying.Length - replicas)
        )
        {
            server.LeavingSince = now;
            if (server.IsReady)
                Load.Drain(server.Name, now);
        }
    }

    /// <summary>Ends one step of time at a moment.</summary>
    public void Pass(DateTimeOffset now)
    {
        Peak = Math.Max(Peak, Replicas);
        for (var i = _servers.Count - 1; i >= 0; i--)
        {
            var server = _servers[i];
            if (!server.IsReady && !server.IsLeaving && now - server.Created >= _scene.Loading)
            {
                server.IsReady = true;
                Load.Join(server.Name, now);
            }
            if (server.IsReady && Load.Get(server.Name, now) is { } load)
                server.Show(new(now, load.Waiting, load.Running, load.GeneratedTokens));
            if (
                server.LeavingSince is { } since
                && (!server.IsReady || now - since >= FollowScene.Grace || server.Now is { Running: 0, Waiting: 0 })
            )
            {
                if (server.IsReady)
                    Load.Leave(server.Name, now);
                _servers.RemoveAt(i);
            }
        }
        if (now > FollowScene.Start && now <= FollowScene.Start + _scene.Length)
            GpuTime += FollowScene.Step * _servers.Count;
    }

    /// <summary>Whether an autoscaler without delay would request more: the triggers do, and the policies allow it.</summary>
    public bool NeedMore(DateTimeOffset now)
    {
        var (tokens, waiting) = (0d, 0);
        foreach (var server in Ready)
        {
            tokens += server.TokensPerSecond ?? 0;
            waiting += server.Now.Waiting;
        }
        return HorizontalScaler
                .Step(
                    Replicas,
                    _scene.Min,
                    _scene.Max,
                    [Asks(tokens, _scene.Tokens), Asks(waiting, _scene.Waiting)],
                    _scene.Behavior,
                    _history,
                    now
                )
                .Desired > Replicas;

        Proposal Asks(double value, double target) =>
            new(ReplicaCalculator.Shared(Replicas, ReplicaCalculator.Milli(value), ReplicaCalculator.Milli(target), _scene.Behavior), "");
    }

    private void Add(DateTimeOffset created) => _servers.Add(new($"chat-{_made}", _made++, created));

    /// <summary>One replica.</summary>
    public sealed class Server(string name, int ordinal, DateTimeOffset created)
    {
        /// <summary>As the operator's own.</summary>
        private static readonly TimeSpan RateWindow = TimeSpan.FromSeconds(10);

        private readonly Queue<ServerFigures> _window = new();

        public string Name => name;

        public int Ordinal => ordinal;

        public DateTimeOffset Created => created;

        public bool IsReady { get; set; }

        public DateTimeOffset? LeavingSince { get; set; }

        public bool IsLeaving => LeavingSince is not null;

        public ServerFigures Now { get; private set; }

        /// <summary>The rate of the last ten seconds. Null for a server that has just started.</summary>
        public double? TokensPerSecond =>
            _window.TryPeek(out var first) && Now.At - first.At is var span && span >= TimeSpan.FromSeconds(0.5)
                ? (Now.Generated - first.Generated) / span.TotalSeconds
                : null;

        public void Show(ServerFigures figures)
        {
            Now = figures;
            _window.Enqueue(figures);
            while (_window.Peek().At < figures.At - RateWindow)
                _window.Dequeue();
        }
    }
}
