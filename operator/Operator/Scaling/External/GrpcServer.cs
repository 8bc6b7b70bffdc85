using System.Globalization;
using System.Net.Mime;
using System.Text;
using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Scaling.External;

/// <summary>
/// gRPC's unary and server-streaming calls over HTTP/2 (gRPC over HTTP/2, doc/PROTOCOL-HTTP2.md of grpc/grpc): one message in,
/// messages out, the status in trailers, or alone in the headers when nothing was sent before. Whatever a caller sends ends
/// its own call at most.
/// </summary>
/// <param name="methods">By path, <c>/package.Service/Method</c>.</param>
/// <param name="time">The clock of deadlines.</param>
/// <param name="logger">Where crashes of methods are told.</param>
/// <param name="stopping">Ends every call, the open streams among them.</param>
internal sealed class GrpcServer(IReadOnlyDictionary<string, GrpcMethod> methods, TimeProvider time, ILogger logger, CancellationToken stopping)
{
    private const string ContentType = "application/grpc";

    public async Task AnswerAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        if (!IsGrpc(request.ContentType))
        {
            await RefuseAsync(context, StatusCodes.Status415UnsupportedMediaType, "this door speaks gRPC: content-type application/grpc");
            return;
        }
        if (request.Method != HttpMethods.Post)
        {
            response.Headers.Allow = HttpMethods.Post;
            await RefuseAsync(context, StatusCodes.Status405MethodNotAllowed, "gRPC calls are POST");
            return;
        }
        response.ContentType = ContentType;
        response.Headers["grpc-accept-encoding"] = "identity";
        var (code, message) = await CallAsync(context);
        if (context.RequestAborted.IsCancellationRequested) return;
        End(response, code, message);
    }

    private async Task<(GrpcCode Code, string Message)> CallAsync(HttpContext context)
    {
        var (request, aborted) = (context.Request, context.RequestAborted);
        CancellationTokenSource? deadline = null;
        try
        {
            if (!methods.TryGetValue(request.Path.Value ?? "", out var method)) throw Unknown(request.Path.Value ?? "");
            if (GrpcTimeout.Read(request.Headers["grpc-timeout"]) is { } timeout) deadline = new(timeout, time);
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(aborted, stopping, deadline?.Token ?? CancellationToken.None);
            ending.Token.ThrowIfCancellationRequested();
            var message = await GrpcMessages.ReadOnlyOneAsync(request, ending.Token);
            await method(message, reply => GrpcMessages.WriteAsync(context.Response, reply, ending.Token), ending.Token);
            return (GrpcCode.Ok, "");
        }
        catch (GrpcException refused)
        {
            return (refused.Code, refused.Message);
        }
        catch (InvalidProtocolBufferException odd)
        {
            return (GrpcCode.Internal, $"the message is not what the method takes: {odd.Message}");
        }
        catch (BadHttpRequestException odd)
        {
            return odd.StatusCode == StatusCodes.Status413PayloadTooLarge
                ? (GrpcCode.ResourceExhausted, string.Create(CultureInfo.InvariantCulture, $"at most {GrpcMessages.MostBytes} bytes are read"))
                : (GrpcCode.Internal, odd.Message);
        }
        catch (OperationCanceledException) when (!aborted.IsCancellationRequested && stopping.IsCancellationRequested)
        {
            return (GrpcCode.Unavailable, "the operator is stopping");
        }
        catch (OperationCanceledException) when (!aborted.IsCancellationRequested && deadline is { IsCancellationRequested: true })
        {
            return (GrpcCode.DeadlineExceeded, "the call's deadline is over");
        }
        catch (Exception) when (aborted.IsCancellationRequested)
        {
            // Whoever called is gone; there is nobody to tell.
            return (GrpcCode.Cancelled, "");
        }
        catch (Exception crash)
        {
            logger.LogCrash(request.Path.Value, crash);
            return (GrpcCode.Internal, "the operator failed at this call; its log says why");
        }
        finally
        {
            deadline?.Dispose();
        }
    }

    private GrpcException Unknown(string path)
    {
        var slash = path.LastIndexOf('/');
        var (service, name) = slash > 0 ? (path[1..slash], path[(slash + 1)..]) : ("", path);
        return new(GrpcCode.Unimplemented, methods.Keys.Any(known => slash > 0 && known.StartsWith(path[..(slash + 1)], StringComparison.Ordinal)) ? $"{service} has no method {name}" : $"there is no service {service}");
    }

    private static void End(HttpResponse response, GrpcCode code, string message)
    {
        var status = ((int)code).ToString(CultureInfo.InvariantCulture);
        if (response.HasStarted)
        {
            response.AppendTrailer("grpc-status", status);
            if (message.Length > 0) response.AppendTrailer("grpc-message", GrpcMessages.Encode(message));
        }
        else
        {
            response.Headers["grpc-status"] = status;
            if (message.Length > 0) response.Headers["grpc-message"] = GrpcMessages.Encode(message);
        }
    }

    private static bool IsGrpc(string? contentType) =>
        contentType is not null && contentType.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase)
        && (contentType.Length == ContentType.Length || contentType[ContentType.Length] == ';' || contentType.AsSpan(ContentType.Length) is var form && (form.SequenceEqual("+proto") || form.StartsWith("+proto;")));

    private static async Task RefuseAsync(HttpContext context, int status, string sentence)
    {
        var body = Encoding.UTF8.GetBytes(sentence + "\n");
        context.Response.StatusCode = status;
        context.Response.ContentType = MediaTypeNames.Text.Plain;
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }
}

internal static partial class GrpcServerLog
{
    [LoggerMessage(Level = LogLevel.Error, Message = "A gRPC call failed: method={method}")]
    public static partial void LogCrash(this ILogger logger, string? method, Exception exception);
}
