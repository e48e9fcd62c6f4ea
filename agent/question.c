/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/question.h"

const char *question_byte(struct question *question, char byte)
{
    bool whole = question->begun && question->length > 0 && byte == '\n';

    if (question->begun && byte >= '0' && byte <= '9' && question->length < AGENT_CLOCK_DIGITS) {
        question->id[question->length++] = byte;
        return NULL;
    }
    question->id[question->length] = '\0';
    question->begun = byte == AGENT_CLOCK;
    question->length = 0;
    return whole ? question->id : NULL;
}
