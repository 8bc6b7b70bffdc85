using Bursar.Agent.PodResources;
using Bursar.Agent.PodResources.Wire;
using Bursar.Core.Prices;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Bursar.Tests.Integration.Agent;

/// <summary>The kubelet's side is a small HTTP/2 server on a Unix socket that checks what a gRPC server would.</summary>
public sealed class PodResourcesTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private WebApplication _kubelet = null!;
    private KubeletPodResources _client = null!;
    private Func<HttpContext, Task> _answer = _ => Task.CompletedTask;

    public async Task InitializeAsync()
    {
        string socket = _folder.File("kubelet.sock");
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.ListenUnixSocket(socket, l => l.Protocols = HttpProtocols.Http2));
        _kubelet = builder.Build();
        _kubelet.Run(context => _answer(context));
        await _kubelet.StartAsync();
        _client = new KubeletPodResources(socket, TimeProvider.System);
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _kubelet.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Pod_resources_list_only_gpu_devices()
    {
        string? called = null;
        byte[] request = [];
        _answer = async context =>
        {
            called =
                $"{context.Request.Protocol} {context.Request.Method} {context.Request.Host} {context.Request.Path} {context.Request.ContentType} {context.Request.Headers.TE}";
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            request = body.ToArray();
            await ReplyAsync(
                context,
                new ListPodResourcesResponse
                {
                    PodResources =
                    {
                        new Bursar.Agent.PodResources.Wire.PodResources
                        {
                            Name = "train-0",
                            Namespace = "ml",
                            Containers =
                            {
                                new ContainerResources
                                {
                                    Name = "main",
                                    Devices =
                                    {
                                        new ContainerDevices { ResourceName = "nvidia.com/gpu", DeviceIds = { "GPU-1", "GPU-2" } },
                                        new ContainerDevices { ResourceName = "example.com/nic", DeviceIds = { "nic0" } },
                                        new ContainerDevices { ResourceName = "nvidia.com/mig-1g.5gb", DeviceIds = { "MIG-3" } },
                                    },
                                },
                            },
                        },
                    },
                }
            );
        };

        var devices = await _client.ListAsync(default);

        devices
            .Should()
            .Equal(
                new PodDevice("ml", "train-0", "main", "nvidia.com/gpu", "GPU-1"),
                new PodDevice("ml", "train-0", "main", "nvidia.com/gpu", "GPU-2"),
                new PodDevice("ml", "train-0", "main", "nvidia.com/mig-1g.5gb", "MIG-3")
            );
        called.Should().Be("HTTP/2 POST localhost /v1.PodResourcesLister/List application/grpc trailers");
        request.Should().Equal(0, 0, 0, 0, 0);
    }

    [Fact]
    public async Task Resource_renamed_by_the_device_plugin_is_a_gpu_if_it_is_configured()
    {
        using var told = new KubeletPodResources(_folder.File("kubelet.sock"), TimeProvider.System, new GpuResources(["example.com/*"]));
        _answer = context =>
            ReplyAsync(
                context,
                new ListPodResourcesResponse
                {
                    PodResources =
                    {
                        new Bursar.Agent.PodResources.Wire.PodResources
                        {
                            Name = "p",
                            Namespace = "ml",
                            Containers =
                            {
                                new ContainerResources
                                {
                                    Name = "main",
                                    Devices =
                                    {
                                        new ContainerDevices { ResourceName = "example.com/a100", DeviceIds = { "GPU-1" } },
                                    },
                                },
                            },
                        },
                    },
                }
            );

        (await told.ListAsync(default)).Should().ContainSingle();
        (await _client.ListAsync(default)).Should().BeEmpty();
    }

    [Fact]
    public async Task Devices_of_claims_are_listed_and_other_drivers_are_not()
    {
        _answer = context =>
            ReplyAsync(
                context,
                new ListPodResourcesResponse
                {
                    PodResources =
                    {
                        new Bursar.Agent.PodResources.Wire.PodResources
                        {
                            Name = "train-0",
                            Namespace = "ml",
                            Containers =
                            {
                                new ContainerResources
                                {
                                    Name = "main",
                                    DynamicResources =
                                    {
                                        new DynamicResource
                                        {
                                            ClaimName = "gpu",
                                            ClaimNamespace = "ml",
                                            ClaimResources =
                                            {
                                                new ClaimResource
                                                {
                                                    DriverName = "gpu.nvidia.com",
                                                    PoolName = "node-1",
                                                    DeviceName = "gpu-3",
                                                },
                                                new ClaimResource
                                                {
                                                    DriverName = "compute-domain.nvidia.com",
                                                    PoolName = "node-1",
                                                    DeviceName = "channel-0",
                                                },
                                            },
                                        },
                                    },
                                },
                            },
                        },
                    },
                }
            );

        (await _client.ListAsync(default))
            .Should()
            .Equal(new PodDevice("ml", "train-0", "main", "gpu.nvidia.com", "gpu.nvidia.com/node-1/gpu-3"));
    }

    [Fact]
    public async Task Failure_in_the_trailers_is_reported_with_its_message()
    {
        _answer = context => ReplyAsync(context, new ListPodResourcesResponse(), status: "13", words: "devices%20not%20ready");

        await _client
            .Awaiting(c => c.ListAsync(default))
            .Should()
            .ThrowAsync<PodResourcesException>()
            .WithMessage("*Internal: devices not ready*");
    }

    [Fact]
    public async Task Failure_in_the_headers_is_reported_with_its_message()
    {
        _answer = context =>
        {
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = "12";
            context.Response.Headers["grpc-message"] = "unknown service";
            return Task.CompletedTask;
        };

        await _client
            .Awaiting(c => c.ListAsync(default))
            .Should()
            .ThrowAsync<PodResourcesException>()
            .WithMessage("*Unimplemented: unknown service*");
    }

    [Theory]
    [InlineData(new byte[] { 1, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 0, 255, 255, 255, 255 })]
    [InlineData(new byte[] { 0, 0, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 0, 2, 0xff, 0xff })]
    [InlineData(new byte[] { 0, 0, 0, 0, 9, 1 })]
    [InlineData(new byte[0])]
    public async Task Malformed_answer_is_an_error_and_no_crash(byte[] body)
    {
        _answer = async context =>
        {
            context.Response.ContentType = "application/grpc";
            await context.Response.Body.WriteAsync(body);
        };

        await _client.Awaiting(c => c.ListAsync(default)).Should().ThrowAsync<PodResourcesException>().WithMessage("*cannot list*");
    }

    [Fact]
    public async Task Message_that_cannot_be_read_is_an_error_and_no_crash()
    {
        _answer = async context =>
        {
            context.Response.ContentType = "application/grpc";
            await context.Response.Body.WriteAsync(new byte[] { 0, 0, 0, 0, 2, 0x0a, 0x7f });
            context.Response.AppendTrailer("grpc-status", "0");
        };

        await _client.Awaiting(c => c.ListAsync(default)).Should().ThrowAsync<PodResourcesException>().WithMessage("*cannot list*");
    }

    [Fact]
    public async Task Missing_socket_is_reported()
    {
        using var other = new KubeletPodResources(_folder.File("absent.sock"), TimeProvider.System);

        await other
            .Awaiting(c => c.ListAsync(default))
            .Should()
            .ThrowAsync<PodResourcesException>()
            .WithMessage("there is no PodResources socket at *");
    }

    [Fact]
    public async Task Kubelet_that_does_not_answer_is_left_after_five_seconds()
    {
        var time = new VirtualTimeProvider(AgentClock.Start);
        using var patient = new KubeletPodResources(_folder.File("kubelet.sock"), time);
        var asked = new TaskCompletionSource();
        _answer = async context =>
        {
            asked.SetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        };
        var list = patient.ListAsync(default);
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(30));

        time.Advance(TimeSpan.FromSeconds(5));

        await list.Awaiting(l => l).Should().ThrowAsync<PodResourcesException>().WithMessage("*did not answer*");
    }

    private static async Task ReplyAsync(HttpContext context, IMessage message, string status = "0", string? words = null)
    {
        byte[] payload = message.ToByteArray();
        context.Response.ContentType = "application/grpc";
        context.Response.DeclareTrailer("grpc-status");
        byte[] framed =
        [
            0,
            (byte)(payload.Length >> 24),
            (byte)(payload.Length >> 16),
            (byte)(payload.Length >> 8),
            (byte)payload.Length,
            .. payload,
        ];
        await context.Response.Body.WriteAsync(framed);
        context.Response.AppendTrailer("grpc-status", status);
        if (words is { } text)
            context.Response.AppendTrailer("grpc-message", text);
    }
}
